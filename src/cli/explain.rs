//! `baton explain <lead> [--clock]`: the whole story of one lead.

use std::process::ExitCode;

use clap::Args;

use super::{Common, output, setup};
use crate::api::view::{self, CommitteeView, LeadView};
use crate::domain::counted::many;

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// L-42, an e-mail address, or connection:id
    lead: String,
    /// Account for every stretch of every clock
    #[arg(long)]
    clock: bool,
}

pub(super) async fn explain(common: &Common, args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let loaded = match setup::load(common) {
        Ok(loaded) => loaded,
        Err(code) => return Ok(code),
    };
    let store = setup::read_store(&loaded).await?;
    let rules = setup::rules(&loaded);
    let now = crate::clock::Clock::system().now();
    let Some(lead) = view::lead(&store, &rules, now, &args.lead).await? else {
        anyhow::bail!("no lead is known as {:?}; try its number, an e-mail address, or connection:id", args.lead);
    };
    if common.json {
        output::json(&lead)?;
    } else {
        tell(&lead, args.clock);
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn tell(lead: &LeadView, with_clock: bool) {
    let say = |text: String| output::line(&output::safe(&text));
    say(format!("{} {}", lead.lead, lead.who));
    say(format!(
        "  stage {} since {}; grade {} (fit {}, intent {}, engagement {})",
        lead.stage, lead.stage_since, lead.grade, lead.score[0], lead.score[1], lead.score[2]
    ));
    if lead.is_adopted {
        say("  was past the bar before the agreement acted: only watched".to_owned());
    }
    if let Some(until) = &lead.rests_until {
        say(format!("  rests until {until}; returned {}", many(lead.cycles, "time", "times")));
    }
    if lead.records.is_empty() {
        say("  erased at a person's word: of who it was nothing is kept, of what happened only when".to_owned());
        return past(lead, with_clock);
    }
    say("Records".to_owned());
    for record in &lead.records {
        say(format!("  {} ({}): {}", record.record, record.presence, record.link));
        record.stages.iter().for_each(|stage| say(format!("    {stage}")));
    }
    lead.apart.iter().for_each(|apart| say(format!("  {apart}")));
    if let Some(company) = &lead.company {
        let name = company.name.as_deref().unwrap_or("its company");
        say(format!(
            "Company {name} ({}): {}, {}",
            company.record,
            many(company.open_deals, "open deal", "open deals"),
            many(company.engaged, "engaged lead", "engaged leads")
        ));
    }
    lead.committee.iter().flat_map(committee).for_each(&say);
    if !lead.journeys.is_empty() {
        say("Journeys".to_owned());
        lead.journeys.iter().for_each(|journey| say(format!("  {}", journey.line())));
    }
    if !lead.deals.is_empty() {
        say("Deals".to_owned());
        lead.deals.iter().for_each(|deal| say(format!("  {}", deal.line())));
    }
    say("Known facts".to_owned());
    for fact in &lead.facts {
        say(format!("  {} = {} (from {}, since {})", fact.field, fact.value, fact.from, fact.since));
        fact.conflicts.iter().for_each(|other| say(format!("    but {other}")));
    }
    if !lead.score_parts.is_empty() {
        say("Score".to_owned());
        lead.score_parts.iter().for_each(|part| say(format!("  {part}")));
    }
    if let Some(why_not) = &lead.why_not {
        say(format!("Why this is not an MQL yet: {}", why_not.headline));
        for part in &why_not.parts {
            say(format!("  {}: needs {}; found {}", part.of, part.needs, part.found));
            part.helps.iter().for_each(|help| say(format!("      {help}")));
        }
        why_not.segment.iter().for_each(|segment| say(format!("  segment {segment}")));
    }
    say("Who would get it now, by the routing rules in their order".to_owned());
    for route in &lead.routing {
        let mark = if route.wins { '*' } else { '-' };
        say(format!("  {mark} {}: {}", route.rule, route.why));
    }
    past(lead, with_clock);
}

/// The people of its company, in a few lines.
fn committee(committee: &CommitteeView) -> Vec<String> {
    let row = &committee.row;
    let people =
        if row.is_single_threaded { "one contact only".to_owned() } else { many(row.people, "person", "people") };
    let mut lines = vec![format!("Committee {}: {people}, {} engaged", row.company, row.engaged)];
    let known: Vec<String> = row.roles.iter().map(|role| format!("{} ({})", role.role, role.people)).collect();
    let unknown = &committee.unknown_roles;
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    let unknown = if unknown.is_empty() { String::new() } else { format!("; nobody as {}", unknown.join(", ")) };
    lines.push(format!("  roles known: {known}{unknown}"));
    lines.extend(row.missing.iter().map(|missing| format!("  {}", missing.text)));
    lines.extend(committee.members.iter().map(|member| format!("  {}", member.line())));
    let more = usize::try_from(row.people).unwrap_or(usize::MAX).saturating_sub(committee.members.len());
    if more > 0 {
        lines.push(format!("  and {more} more"));
    }
    lines
}

/// What happened to it, and what Baton did.
fn past(lead: &LeadView, with_clock: bool) {
    let say = |text: String| output::line(&output::safe(&text));
    for handoff in &lead.handoffs {
        say(format!("Hand-off {}: {}", handoff.id, handoff.state));
        for turn in &handoff.turns {
            say(format!("  turn {}: {} ({})", turn.number, turn.owner, turn.why));
            for clock in &turn.clocks {
                let due = clock.due_at.as_ref().map_or_else(|| "not started".to_owned(), ToString::to_string);
                let met = clock.met_at.as_ref().map(|met| format!(", kept {met}")).unwrap_or_default();
                say(format!("    {} within {}: due {due}{met}", clock.commitment, clock.time));
                clock.steps.iter().for_each(|step| say(format!("      {step}")));
                if with_clock {
                    say(format!("      {} counted by calendar {}", clock.counted, clock.calendar));
                    for stretch in &clock.stretches {
                        let mark = if stretch.counts { "+" } else { "-" };
                        say(format!(
                            "      {mark} {} to {}: {}, {}",
                            stretch.from, stretch.to, stretch.length, stretch.why
                        ));
                    }
                }
            }
        }
    }
    say("What happened".to_owned());
    lead.events.iter().for_each(|event| say(format!("  {}  {}", event.at, event.text)));
    if lead.events.is_empty() {
        say("  nothing yet".to_owned());
    }
    say("Effects".to_owned());
    if lead.effects.is_empty() {
        say("  none: nothing was written or sent because of this lead".to_owned());
    }
    for effect in &lead.effects {
        say(format!("  {} to {}: {}", effect.effect, effect.to, effect.fate()));
    }
    if with_clock && !lead.coverage.is_empty() {
        say("Read until".to_owned());
        lead.coverage.iter().for_each(|stream| say(format!("  {}", stream.words())));
    }
    lead.findings.iter().for_each(|finding| say(format!("! {}", finding.text)));
}
