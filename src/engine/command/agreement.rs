//! `baton agreement apply --running`: the agreement in force, for turns that began under another.

use jiff::Timestamp;
use serde_json::json;

use super::super::Engine;
use super::super::retime::Retiming;
use super::{Answer, CommandError};
use crate::domain::counted::{many, noun};
use crate::domain::decide::{ClockMoved, Retimed};

/// Hand-offs that an answer for people names one by one; the data name all.
const NAMED_MAX: usize = 200;

impl Engine {
    pub(super) async fn retime_command(&self, with_overdue: bool, yes: bool) -> Result<Answer, CommandError> {
        let retiming = self.retime(with_overdue, yes).await?;
        Ok(Answer { lines: lines(&retiming), data: data(&retiming) })
    }
}

fn lines(retiming: &Retiming) -> Vec<String> {
    let count = retiming.moved.len();
    let what = if retiming.is_done { noun(count, "moves", "move") } else { "would move" };
    let to = &retiming.to;
    let mut lines = vec![format!(
        "{} {what} to agreement {to}; {} as they are.",
        many(count, "running hand-off", "running hand-offs"),
        many(retiming.same, "stays", "stay")
    )];
    lines.extend(named(&retiming.moved));
    if !retiming.kept.is_empty() {
        lines.push(format!(
            "{}: under the new ones somebody would be told at once of a time that has passed already; \
             --overdue moves them too.",
            many(retiming.kept.len(), "keeps its terms", "keep their terms")
        ));
        lines.extend(named(&retiming.kept));
    }
    if !retiming.is_done && !retiming.moved.is_empty() {
        lines.push("Nothing was done: repeat it with --yes.".to_owned());
    }
    lines
}

fn named(all: &[Retimed]) -> impl Iterator<Item = String> {
    let more = all.len().saturating_sub(NAMED_MAX);
    let more = (more > 0).then(|| format!("  and {more} more"));
    let lines = all.iter().take(NAMED_MAX).flat_map(|one| {
        let head = format!("  {} turn {}, {}, under {}:", one.handoff, one.turn, one.owner, one.from);
        std::iter::once(head).chain(one.rows.iter().map(row)).collect::<Vec<_>>()
    });
    lines.chain(more).collect::<Vec<_>>().into_iter()
}

fn row(row: &ClockMoved) -> String {
    let at = |at: Option<Timestamp>, nothing: &str| at.map_or_else(|| nothing.to_owned(), |at| format!("{at:.0}"));
    let mut line = format!(
        "    {}: {} -> {}",
        row.commitment,
        at(row.from, "not due"),
        at(row.to, "not asked for, or no clock runs")
    );
    let percents = |all: &[u32]| all.iter().map(|percent| format!("{percent} %")).collect::<Vec<_>>().join(", ");
    if !row.told.is_empty() {
        line.push_str(&format!("; told already, not again: {}", percents(&row.told)));
    }
    if !row.at_once.is_empty() {
        line.push_str(&format!("; would be told at once: {}", percents(&row.at_once)));
    }
    line
}

fn data(retiming: &Retiming) -> serde_json::Value {
    let view = |one: &Retimed| {
        let rows: Vec<_> = one
            .rows
            .iter()
            .map(|row| {
                json!({
                    "commitment": row.commitment.as_str(), "from": row.from.map(|at| at.to_string()),
                    "to": row.to.map(|at| at.to_string()), "told": row.told, "at_once": row.at_once,
                })
            })
            .collect();
        json!({
            "lead": one.handoff.lead.to_string(), "handoff": one.handoff.number, "turn": one.turn,
            "owner": one.owner.as_str(), "from": one.from.as_str(), "commitments": rows,
        })
    };
    json!({
        "is_done": retiming.is_done, "to": retiming.to.as_str(), "same": retiming.same,
        "moved": retiming.moved.iter().map(view).collect::<Vec<_>>(),
        "kept": retiming.kept.iter().map(view).collect::<Vec<_>>(),
    })
}
