//! `baton check`: every problem of every file at once; with `--online` also what the CRMs say to them.

use std::process::ExitCode;

use clap::Args;

use super::{Common, output, setup};
use crate::daemon::online;

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Treat warnings as errors
    #[arg(long)]
    strict: bool,
    /// Also look at every CRM: credentials, permissions, fields, choices, lists, users, clocks, what ends soon. Writes nothing
    #[arg(long)]
    online: bool,
}

pub(super) async fn check(common: &Common, args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let (problems, loaded) = setup::read(common);
    let mut accounts = Vec::new();
    let mut is_bad = loaded.is_none();
    if let (true, Some(loaded)) = (args.online, &loaded) {
        let looked = online::look(loaded).await?;
        is_bad = looked.problems.has_errors();
        looked.problems.list().into_iter().for_each(|problem| problems.add(problem));
        accounts = looked.accounts;
    }
    is_bad |= args.strict && !problems.list().is_empty();
    if common.json {
        let mut answer = serde_json::json!({ "ok": !is_bad, "problems": problems.views() });
        if args.online {
            let shown = accounts.iter().map(|(id, account)| (id.to_string(), account.clone().into()));
            answer["accounts"] = serde_json::Value::Object(shown.collect());
        }
        output::json(&answer)?;
    } else {
        setup::show(common, &problems, !is_bad);
        for (connection, account) in &accounts {
            output::line(&format!("{connection}: {}", output::safe(account)));
        }
    }
    if is_bad {
        return Ok(ExitCode::from(output::BAD_CONFIGURATION));
    }
    if !common.json {
        output::line("The files are in order, and the agreement's examples hold.");
    }
    Ok(ExitCode::SUCCESS)
}
