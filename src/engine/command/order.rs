//! What waits for a person, what is taken back, what is stopped: the commands behind `plan`, `apply`, `outbox`, `adopt`, `pause`.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::agreement::rule_of;
use crate::domain::counted::{many, noun};
use crate::domain::id::{ConnectionId, LeadId, OperationId, PersonId};
use crate::domain::plan::{Mode, Paused};
use crate::domain::proposal::Shown;
use crate::domain::roster::Roster;
use crate::domain::stage::Stage;

use super::super::adopt::Filter;
use super::super::pause::Stop;
use super::super::propose::{Applied, OrderError, Proposal, Proposed, Selection};
use super::super::{Engine, EngineError};
use super::{Answer, CommandError};

/// Leads that an answer names one by one.
const NAMED_MAX: usize = 20;

/// Which effects a person means; what is left out does not narrow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chosen {
    /// Operation ids, or how they begin.
    pub ops: Vec<String>,
    /// A plan that was applied.
    pub plan: Option<String>,
    /// To this connection.
    pub connection: Option<String>,
    /// For this lead: `L-42`.
    pub lead: Option<String>,
    /// Of this kind: `owner`.
    pub effect: Option<String>,
    /// All of them.
    pub all: bool,
}

/// Which adopted leads a person means; what is left out does not narrow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adopted {
    /// These: `L-42`.
    pub leads: Vec<String>,
    /// At this stage.
    pub stage: Option<String>,
    /// Owned by this person of the roster.
    pub owner: Option<String>,
    /// With a record there.
    pub connection: Option<String>,
    /// For which this expression holds.
    pub rule: Option<String>,
    /// Do it; else only count.
    pub yes: bool,
}

impl From<OrderError> for CommandError {
    fn from(error: OrderError) -> Self {
        match error {
            OrderError::Engine(error) => Self::Engine(error),
            OrderError::Store(error) => Self::Engine(EngineError::Store(error)),
            refused => Self::Refused(refused.to_string()),
        }
    }
}

impl Engine {
    pub(super) async fn plan_command(&self) -> Result<Answer, CommandError> {
        let proposal = self.propose().await?;
        let rules = self.rules();
        Ok(Answer { lines: lines(&proposal, &rules.roster, rules.writes), data: plan_data(&proposal, &rules.roster) })
    }

    pub(super) async fn apply_command(&self, id: &str) -> Result<Answer, CommandError> {
        let applied = self.apply_plan(id).await?;
        Ok(told_of(&applied))
    }

    pub(super) async fn approve_command(&self, chosen: &Chosen) -> Result<Answer, CommandError> {
        let selection = self.selection(chosen).await?;
        let applied = self.approve(&selection).await?;
        let mut answer = told_of(&applied);
        let more = self.waiting().await?;
        if more > 0 {
            answer.lines.push(format!("{} still wait for a person.", effects(more)));
        }
        Ok(answer)
    }

    pub(super) async fn discard_command(&self, chosen: &Chosen, by: &str) -> Result<Answer, CommandError> {
        let selection = self.selection(chosen).await?;
        let count = self.discard_held(&selection, by).await?;
        Ok(Answer {
            lines: vec![format!("{} taken back for good; nothing of it will be sent.", effects(count))],
            data: json!({ "discarded": count }),
        })
    }

    pub(super) async fn discard_plan_command(&self, id: &str, by: &str) -> Result<Answer, CommandError> {
        let count = self.discard_plan(id, by).await?;
        Ok(Answer {
            lines: vec![format!("{} taken back for good; nothing of it will be sent.", effects(count))],
            data: json!({ "discarded": count }),
        })
    }

    pub(super) async fn undo_command(&self, chosen: &Chosen) -> Result<Answer, CommandError> {
        let mut chosen = chosen.clone();
        if let [one] = chosen.ops.as_slice()
            && !self.store.proposals(one).await?.is_empty()
        {
            chosen.plan = chosen.ops.pop();
        }
        let selection = self.selection(&chosen).await?;
        let undone = self.undo(&selection).await?;
        let back = undone.rows.iter().filter(|row| row.undo.is_ok()).count();
        let mut lines =
            vec![format!("{} of {} are taken back with the next writes:", back, effects(undone.rows.len()))];
        let mut rows = Vec::new();
        for row in &undone.rows {
            let op = row.op.to_string();
            let (short, lead, connection) = (&op[..8], row.lead, &row.connection);
            let what = match &row.undo {
                Ok(by) => format!("will be taken back by {}", &by.to_string()[..8]),
                Err(why) => format!("left: {why}"),
            };
            lines.push(format!("  {short} {} of {lead} in {connection}: {what}", row.effect));
            rows.push(json!({
                "op": op, "lead": lead.to_string(), "connection": connection.as_str(), "effect": row.effect,
                "undone_by": row.undo.as_ref().ok().map(ToString::to_string), "left": row.undo.as_ref().err(),
            }));
        }
        if undone.rows.is_empty() {
            lines = vec![
                "Nothing that took effect is meant by this: `baton outbox list --state done` shows what did."
                    .to_owned(),
            ];
        }
        Ok(Answer { lines, data: json!({ "undone": back, "effects": rows }) })
    }

    pub(super) async fn adopt_command(&self, adopted: &Adopted) -> Result<Answer, CommandError> {
        let filter = self.filter(adopted)?;
        let adoption = self.adopt(&filter, adopted.yes).await?;
        let count = adoption.leads.len();
        let get = if adoption.is_done { noun(count, "gets", "get") } else { "would get" };
        let mut lines = vec![format!("{} {get} a hand-off.", many(count, "adopted lead", "adopted leads"))];
        if adoption.others > 0 {
            lines.push(format!("{} left out by the filter.", many(adoption.others, "other is", "others are")));
        }
        if adoption.past > 0 {
            lines.push(format!(
                "{} past what is handed over: only leads at mql or sal are.",
                many(adoption.past, "matches, but is", "match, but are")
            ));
        }
        if let Some(until) = adoption.until.filter(|_| count > 1) {
            lines.push(format!("At most {} an hour, as [caps] allows; the last by {until:.0}.", adoption.an_hour));
        }
        let named = adoption.leads.iter().take(NAMED_MAX);
        lines.extend(named.map(|(lead, name)| format!("  {lead} {}", name.as_deref().unwrap_or_default())));
        if count > NAMED_MAX {
            lines.push(format!("  and {} more", count - NAMED_MAX));
        }
        if !adoption.is_done && count > 0 {
            lines.push("Nothing was done: repeat it with --yes.".to_owned());
        }
        let leads: Vec<String> = adoption.leads.iter().map(|(lead, _)| lead.to_string()).collect();
        let data = json!({
            "is_done": adoption.is_done, "leads": leads, "left_out": adoption.others, "past": adoption.past,
            "an_hour": adoption.an_hour, "until": adoption.until.map(|at| at.to_string()),
        });
        Ok(Answer { lines, data })
    }

    pub(super) async fn pause_command(&self, what: Option<&str>, stops: bool) -> Result<Answer, CommandError> {
        let stop = self.stop_named(what).ok_or_else(|| {
            let mut names: Vec<String> = self.connectors().iter().map(|known| known.id().to_string()).collect();
            names.extend(self.rules().roster.teams.keys().map(ToString::to_string));
            let what = what.unwrap_or_default();
            CommandError::Refused(format!(
                "`{what}` is neither a connection nor a team; there is: {}",
                names.join(", ")
            ))
        })?;
        if stops {
            self.pause(&stop).await?;
        } else {
            self.resume(&stop).await?;
        }
        let paused = self.paused();
        let said = match (&stop, stops) {
            (Stop::All, true) => "Paused: nothing is sent, and no step fires, until `baton resume`.".to_owned(),
            (Stop::Connection(name), true) => {
                format!("Paused {name}: nothing is written to it until `baton resume {name}`.")
            }
            (Stop::Team(name), true) => format!(
                "Paused {name}: none of its steps fires, and what is decided for its leads waits, until `baton resume {name}`."
            ),
            (Stop::All, false) => "Everything goes on.".to_owned(),
            (Stop::Connection(name), false) => format!("{name} goes on."),
            (Stop::Team(name), false) => format!("{name} goes on; what fell due meanwhile is decided now."),
        };
        let mut lines = vec![said];
        lines.extend(paused_words(&paused).filter(|_| !stops).map(|words| format!("Still paused: {words}.")));
        Ok(Answer { lines, data: paused_data(&paused) })
    }

    async fn selection(&self, chosen: &Chosen) -> Result<Selection, CommandError> {
        let mut selection = Selection {
            proposal: chosen.plan.clone(),
            connection: chosen.connection.as_deref().map(|name| self.known_connection(name)).transpose()?,
            lead: chosen.lead.as_deref().map(lead_named).transpose()?,
            effect: chosen.effect.clone(),
            all: chosen.all,
            ops: Vec::new(),
        };
        for op in &chosen.ops {
            let op = self.effect(op).await?.op;
            selection.ops.extend(OperationId::parse(&op));
        }
        if let Some(plan) = &chosen.plan {
            // A plan may be named by how it begins, as when it was applied.
            let found = self.store.proposals(plan).await?;
            if let [known] = found.as_slice() {
                selection.proposal = Some(known.id.clone());
            }
        }
        Ok(selection)
    }

    fn known_connection(&self, name: &str) -> Result<ConnectionId, CommandError> {
        let known = self.connectors().iter().map(|connector| connector.id());
        known.clone().find(|id| id.as_str() == name).cloned().ok_or_else(|| {
            let names: Vec<&str> = known.map(ConnectionId::as_str).collect();
            CommandError::Refused(format!("no connection is called `{name}`; there is: {}", names.join(", ")))
        })
    }

    fn filter(&self, adopted: &Adopted) -> Result<Filter, CommandError> {
        let stage = |name: &str| {
            Stage::parse(name).ok_or_else(|| {
                let names: Vec<&str> = Stage::ALL.iter().map(|stage| stage.as_str()).collect();
                CommandError::Refused(format!("no stage is called `{name}`; there is: {}", names.join(", ")))
            })
        };
        let rules = self.rules();
        let owner = |name: &str| {
            let person = PersonId::from(name.to_lowercase());
            let is_known = rules.roster.people.contains_key(&person) || rules.roster.team_of(&person).is_some();
            let unknown =
                || CommandError::Refused(format!("`{name}` is nobody of the roster: write the address it has there"));
            is_known.then_some(person).ok_or_else(unknown)
        };
        Ok(Filter {
            leads: adopted.leads.iter().map(|lead| lead_named(lead)).collect::<Result<_, _>>()?,
            stage: adopted.stage.as_deref().map(stage).transpose()?,
            owner: adopted.owner.as_deref().map(owner).transpose()?,
            connection: adopted.connection.as_deref().map(|name| self.known_connection(name)).transpose()?,
            rule: adopted.rule.as_deref().map(rule_of).transpose().map_err(CommandError::Refused)?,
        })
    }
}

fn lead_named(text: &str) -> Result<LeadId, CommandError> {
    text.parse().map_err(|()| CommandError::Refused(format!("`{text}` is no lead: write it as `L-42`")))
}

fn effects(count: usize) -> String {
    many(count, "effect", "effects")
}

/// What is paused, in words; `None` if nothing is.
#[must_use]
pub fn paused_words(paused: &Paused) -> Option<String> {
    if paused.all {
        return Some("everything".to_owned());
    }
    let connections = paused.connections.iter().map(|name| format!("writes to {name}"));
    let teams = paused.teams.iter().map(|name| format!("team {name}"));
    let all: Vec<String> = connections.chain(teams).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

/// The same for a machine.
#[must_use]
pub fn paused_data(paused: &Paused) -> Value {
    let connections: Vec<&str> = paused.connections.iter().map(ConnectionId::as_str).collect();
    let teams: Vec<&str> = paused.teams.iter().map(crate::domain::id::TeamId::as_str).collect();
    json!({ "all": paused.all, "connections": connections, "teams": teams })
}

fn told_of(applied: &Applied) -> Answer {
    let mut lines = vec![format!("{} may be sent now.", effects(applied.released))];
    if applied.settled > 0 {
        lines.push(format!("{} did not wait any more: let go, sent or taken back before.", effects(applied.settled)));
    }
    for (why, count) in &applied.superseded {
        lines.push(format!("{} not sent, but planned anew where still wanted: {why}.", effects(*count)));
    }
    let superseded: usize = applied.superseded.values().sum();
    let data = json!({
        "released": applied.released, "settled_before": applied.settled, "superseded": superseded,
        "reasons": applied.superseded,
    });
    Answer { lines, data }
}

/// A value of a change, as a person reads it.
#[must_use]
pub fn shown(value: &Shown, roster: &Roster) -> String {
    match value {
        Shown::Person(person) => roster.name_of(person).to_owned(),
        Shown::Text(text) => text.clone(),
    }
}

/// `owner: nobody -> Anna Lang`.
#[must_use]
pub fn change_words(row: &Proposed, roster: &Roster) -> String {
    let to = shown(&row.change.to, roster);
    match (row.change.what, &row.change.from) {
        ("owner", from) => {
            let from = from.as_ref().map_or_else(|| "nobody".to_owned(), |from| shown(from, roster));
            format!("owner: {from} -> {to}")
        }
        ("create", _) => format!("a new record, owned by {to}"),
        (what, Some(from)) => format!("{what}: {} -> {to}", shown(from, roster)),
        (what, None) => format!("{what}: {to}"),
    }
}

fn lines(proposal: &Proposal, roster: &Roster, writes: Mode) -> Vec<String> {
    if proposal.rows.is_empty() {
        return vec![match writes {
            Mode::Off => "writes = \"off\", and nothing would be written now.".to_owned(),
            Mode::Plan | Mode::On => "Nothing waits for a person.".to_owned(),
        }];
    }
    let mut lines = Vec::new();
    let mut last = None;
    for row in &proposal.rows {
        if last != Some((row.lead, row.handoff)) {
            last = Some((row.lead, row.handoff));
            let name = row.who.as_deref().unwrap_or_default();
            let handoff = row.handoff.map(|handoff| format!(", hand-off {handoff}")).unwrap_or_default();
            lines.push(format!("{} {name}{handoff}", row.lead));
        }
        let why = row.why.as_ref().unwrap_or(&row.because);
        lines.push(format!("  {:<10} {}   ({why})", row.connection.as_str(), change_words(row, roster)));
    }
    for notice in &proposal.notices {
        lines.push(format!("  would tell {}: {}", notice.channel, notice.story.headline));
    }
    lines.push(String::new());
    let leads = many(leads_of(proposal), "lead", "leads");
    if proposal.is_dry {
        lines.push(format!(
            "{} for {leads} would be written, and {} told, were writes and notices not off.",
            effects(proposal.rows.len()),
            many(proposal.notices.len(), "person or channel", "people or channels")
        ));
        return lines;
    }
    let count = proposal.rows.len();
    lines.push(format!("Plan {}: {} for {leads} {}.", proposal.id, effects(count), noun(count, "waits", "wait")));
    let mut holds: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
    proposal.rows.iter().for_each(|row| *holds.entry(row.hold.as_str()).or_default() += 1);
    lines.extend(holds.iter().filter_map(|(hold, count)| Some(format!("  {count}: {}", hold_words(hold)?))));
    if proposal.more > 0 {
        lines.push(format!("  {} behind these, for the next plan.", many(proposal.more, "more waits", "more wait")));
    }
    lines.push(format!("Let exactly these go with `baton apply {}`; the plan holds for 24 hours.", proposal.id));
    lines
}

/// Why something waits, where it is not the usual reason.
fn hold_words(hold: &str) -> Option<&'static str> {
    match hold {
        "cap" => Some("more than [caps] lets go by itself"),
        "rules" => Some("follow from another agreement, and are more than [caps] lets go by itself"),
        _ => None,
    }
}

fn leads_of(proposal: &Proposal) -> usize {
    let mut leads: Vec<LeadId> = proposal.rows.iter().map(|row| row.lead).collect();
    leads.dedup();
    leads.len()
}

/// A plan for a machine.
#[must_use]
pub fn plan_data(proposal: &Proposal, roster: &Roster) -> Value {
    let rows: Vec<Value> = proposal
        .rows
        .iter()
        .map(|row| {
            json!({
                "op": row.op.to_string(), "lead": row.lead.to_string(), "who": row.who,
                "handoff": row.handoff.map(|handoff| handoff.to_string()), "connection": row.connection.as_str(),
                "effect": row.change.what, "from": row.change.from.as_ref().map(|from| shown(from, roster)),
                "to": shown(&row.change.to, roster), "because": row.because, "why": row.why, "hold": row.hold,
                "since": row.since.to_string(),
            })
        })
        .collect();
    let notices: Vec<Value> = proposal
        .notices
        .iter()
        .map(|notice| json!({ "channel": notice.channel.as_str(), "kind": notice.kind.as_str(), "headline": notice.story.headline }))
        .collect();
    json!({
        "id": (!proposal.id.is_empty()).then_some(&proposal.id), "is_dry": proposal.is_dry,
        "made_at": proposal.made_at.map(|at| at.to_string()), "leads": leads_of(proposal), "more": proposal.more,
        "effects": rows, "notices": notices,
    })
}
