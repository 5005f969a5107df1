//! Tests of the channels by hand.

use super::super::Engine;
use super::{Answer, CommandError};
use crate::domain::reach::Destination;

impl Engine {
    /// Puts a marked test notice into the outbox for each place that `target` names.
    pub(super) async fn test(&self, target: Option<&str>) -> Result<Answer, CommandError> {
        let targets = self.test_targets(target).map_err(CommandError::Refused)?;
        let tested = self.test_notices(&targets).await?;
        let tested: Vec<(String, String)> = tested
            .into_iter()
            .map(|test| (Destination { is_test: false, ..test.to }.to_string(), test.op.to_string()))
            .collect();
        Ok(Answer {
            lines: tested.iter().map(|(to, _)| format!("a test goes to {to}")).collect(),
            data: serde_json::json!({
                "tested": tested.iter().map(|(to, op)| serde_json::json!({ "to": to, "op": op })).collect::<Vec<_>>(),
            }),
        })
    }
}
