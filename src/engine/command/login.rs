//! A person lets Baton into an account.

use secrecy::SecretString;
use serde_json::json;

use crate::connector::ConnectorError;
use crate::domain::id::ConnectionId;
use crate::engine::{Engine, EngineError};

use super::{Answer, CommandError};

impl Engine {
    /// Exchanges the code, keeps the tokens, and looks at the account right after.
    pub(super) async fn log_in(&self, connection: &str, code: &str) -> Result<Answer, CommandError> {
        let id = ConnectionId::from(connection);
        let Some(connector) = self.connector(&id).cloned() else {
            return Err(CommandError::Refused(format!("no connection is called {connection}")));
        };
        let logged_in = match connector.log_in(&SecretString::from(code)).await {
            Ok(logged_in) => logged_in,
            Err(error @ (ConnectorError::Unauthorized { .. } | ConnectorError::Rejected { .. })) => {
                return Err(CommandError::Refused(error.to_string()));
            }
            Err(error) => return Err(EngineError::from(error).into()),
        };
        if let Err(error) = self.describe_one(&connector).await {
            tracing::warn!(connection.id = %id, "logged in to {id}, but it cannot be looked at: {error}");
        }
        let missing = logged_in.missing.iter();
        let mut lines = vec![format!("Logged in to {} as {id}.", logged_in.account)];
        lines.extend(missing.clone().map(|(scope, without)| format!("! not permitted: {scope}; without it {without}")));
        let missing: Vec<_> = missing.map(|(scope, without)| json!({ "scope": scope, "without": without })).collect();
        Ok(Answer { lines, data: json!({ "account": logged_in.account, "missing": missing }) })
    }
}
