//! A person ends sessions of the board.

use serde_json::json;

use crate::domain::counted::many;
use crate::engine::Engine;

use super::{Answer, CommandError};

impl Engine {
    /// Ends every session of `user`, or of everybody.
    pub(super) fn log_out(&self, user: Option<&str>) -> Result<Answer, CommandError> {
        let known = &self.sessions.access().users;
        if let Some(user) = user.filter(|user| known.iter().all(|known| known.name.as_str() != *user)) {
            let names: Vec<&str> = known.iter().map(|user| user.name.as_str()).collect();
            let there = if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
            return Err(CommandError::Refused(format!("no user is called {user}: there is {there}")));
        }
        let ended = self.sessions.end(user);
        let lines = vec![match ended {
            0 => "Nobody was logged in.".to_owned(),
            _ => format!("{} ended.", many(ended, "session", "sessions")),
        }];
        Ok(Answer { lines, data: json!({ "ended": ended }) })
    }
}
