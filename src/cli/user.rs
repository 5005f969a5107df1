//! `baton user`: makes the lines of the settings that let somebody use the board. `baton logout` ends their sessions.

use std::io::{BufRead as _, IsTerminal as _};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use ring::rand::{SecureRandom as _, SystemRandom};

use super::{Common, control, output};
use crate::domain::access::{PASSWORD_BYTES_MAX, PASSWORD_CHARS_MIN, PasswordHash, Role, TokenHash, is_user_name};
use crate::engine::command::Command;

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RoleName {
    /// Looks at everything
    Viewer,
    /// Also applies plans and says who is one person
    Operator,
}

#[derive(Debug, Args)]
pub(super) struct UserArgs {
    /// By which name: small letters, digits, `-`, `_` and `.`
    #[arg(value_parser = name)]
    name: String,
    /// What they may do
    #[arg(long, value_enum, default_value = "viewer")]
    role: RoleName,
    /// Make a token for a script instead of taking a password
    #[arg(long)]
    token: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct LogoutArgs {
    /// Whose sessions
    user: Option<String>,
    /// Everybody's
    #[arg(long)]
    all: bool,
}

fn name(text: &str) -> Result<String, &'static str> {
    is_user_name(text).then(|| text.to_owned()).ok_or("no user's name: use small letters, digits, `-`, `_` and `.`")
}

/// Prints what to write; changes nothing.
pub(super) fn user(common: &Common, args: &UserArgs) -> anyhow::Result<ExitCode> {
    let role = match args.role {
        RoleName::Viewer => Role::Viewer,
        RoleName::Operator => Role::Operator,
    };
    let (key, kept, token) = if args.token {
        let token = TokenHash::token(random()?);
        ("token", TokenHash::of(&token).to_string(), Some(token))
    } else {
        ("password", PasswordHash::of(&password()?, random()?)?.to_string(), None)
    };
    if common.json {
        output::json(&serde_json::json!({ "user": args.name, "role": role.as_str(), key: kept, "bearer": token }))?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(token) = &token {
        output::note("The script sends this; it is shown only now:\n");
        output::note(&format!("Authorization: Bearer {token}\n"));
    }
    output::note("Write this into the settings, and start Baton anew:\n");
    // A name with a dot is two keys unless it is quoted.
    output::line(&format!("[users.\"{}\"]\nrole = \"{}\"\n{key} = \"{kept}\"", args.name, role.as_str()));
    Ok(ExitCode::SUCCESS)
}

/// A password, typed twice without being shown, or the first line of what comes in.
fn password() -> anyhow::Result<String> {
    let password = if std::io::stdin().is_terminal() {
        let first = rpassword::prompt_password("Password: ").context("reading the password")?;
        let second = rpassword::prompt_password("Once more: ").context("reading the password")?;
        anyhow::ensure!(first == second, "these were two different passwords");
        first
    } else {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).context("reading the password")?;
        line.trim_end_matches(['\r', '\n']).to_owned()
    };
    anyhow::ensure!(
        password.chars().count() >= PASSWORD_CHARS_MIN,
        "a password has at least {PASSWORD_CHARS_MIN} letters; a few words in a row are easy to remember and hard to guess"
    );
    anyhow::ensure!(password.len() <= PASSWORD_BYTES_MAX, "a password has at most {PASSWORD_BYTES_MAX} bytes");
    Ok(password)
}

fn random<const COUNT: usize>() -> anyhow::Result<[u8; COUNT]> {
    let mut bytes = [0; COUNT];
    SystemRandom::new().fill(&mut bytes).map_err(|_| anyhow::anyhow!("the system gives no random numbers"))?;
    Ok(bytes)
}

/// Ends sessions.
pub(super) async fn logout(common: &Common, args: LogoutArgs) -> anyhow::Result<ExitCode> {
    control::carry_out(common, Command::EndSessions { user: args.user }).await
}
