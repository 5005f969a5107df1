//! Companies: who is known there over all CRMs, in which role, who is engaged, and which role nobody has.

use std::collections::BTreeMap;

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use crate::domain::counted::{many, noun};
use crate::domain::id::CommitteeId;
use crate::report::committee as words;

use super::super::access::Caller;
use super::super::error::ApiError;
use super::super::{Api, PEOPLE_MAX, Page, view};
use super::{Waits, moment, nav, page, row, whole};

/// Companies of a page.
const ROWS: usize = 50;

pub(in crate::api) async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Page>,
) -> Result<Markup, ApiError> {
    let rules = api.engine.rules();
    let skip = usize::try_from(asked.after.unwrap_or(0)).unwrap_or(0);
    let companies = view::companies(&api.engine, skip, ROWS).await?;
    let all = usize::try_from(api.engine.store().committees_count().await?).unwrap_or(0);
    let waits = Waits::of(&api).await?;
    let body = html! {
        (nav("/companies", &waits))
        header {
            h1 { "Companies" }
            p.facts { (many(all, "company", "companies")) " with people that Baton knows, those first where most are engaged" }
        }
        section {
            @match &rules.agreement.committee {
                None => (without_roles()),
                Some(_) if companies.is_empty() => p.empty { "None here." },
                Some(_) => (table(&companies)),
            }
            p.facts {
                @if skip > 0 { a href={ "/companies?after=" (skip.saturating_sub(ROWS)) } { "Those before" } " " }
                @if skip + companies.len() < all { a href={ "/companies?after=" (skip + companies.len()) } { "Those after" } }
            }
        }
        @if let Some(policy) = &rules.agreement.committee { section { h2 { "What the agreement asks for" } ul { @for line in words::asks(policy) { li { (whole(&line)) } } } } }
    };
    Ok(page("Companies", None, Some(&caller), &body))
}

/// What the page would show, and what to write for it.
fn without_roles() -> Markup {
    html! {
        p {
            "The agreement has no " code { "[committee]" } ", so nothing is counted here. With it this page shows each company with the people that are "
            "known there over all CRMs: who has which role in a purchase, who showed interest lately, which role nobody has, and which company hangs on one contact alone."
        }
        p { "Write the roles that count for you into the agreement, for example:" }
        pre { code { (words::EXAMPLE) } }
        p.empty { code { "roles_required" } " asks for so many different roles at a stage; who lacks them becomes a finding. " code { "baton check" } " tells whether the lines are right; they come into force within seconds." }
    }
}

fn table(companies: &[view::CompanyRow]) -> Markup {
    html! {
        table.cards {
            thead { tr { th scope="col" { "Company" } th scope="col" { "People" } th scope="col" { "Engaged" } th scope="col" { "Furthest" } th scope="col" { "Roles known" } th scope="col" { "Missing" } } }
            tbody {
                @for company in companies {
                    tr.late[company.missing.is_some()] {
                        td data-label="Company" { a href={ "/companies/" (company.company) } { (row(company.name.as_deref().unwrap_or("without a name"))) } }
                        td.number data-label="People" { (company.people) @if company.is_single_threaded { " " small { "single-threaded" } } }
                        td.number data-label="Engaged" { (company.engaged) }
                        td.number data-label="Furthest" { (company.furthest.unwrap_or("")) }
                        td data-label="Roles known" { (counts(&company.roles)) }
                        td data-label="Missing" { @if let Some(missing) = &company.missing { (row(&missing.text)) } }
                    }
                }
            }
        }
    }
}

fn counts(roles: &[view::RoleCount]) -> Markup {
    html! {
        @for (at, role) in roles.iter().enumerate() { @if at > 0 { ", " } (row(&role.role)) @if role.people > 1 { " " small { (role.people) } } }
        @if roles.is_empty() { small { "none" } }
    }
}

pub(in crate::api) async fn company(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let (rules, now) = (api.engine.rules(), api.engine.clock().now());
    let found = view::company(api.engine.store(), &rules, now, &CommitteeId::from(id), PEOPLE_MAX).await?;
    let company = found.ok_or(ApiError::NotFound("no company has this page; the list of companies has them all"))?;
    let waits = Waits::of(&api).await?;
    let name = company.row.name.as_deref().unwrap_or("A company without a name");
    Ok(page(name, None, Some(&caller), &html! {
        (nav("", &waits))
        header {
            h1 { (row(name)) }
            p.facts {
                b { (company.row.people) } " " (noun(company.row.people, "person", "people")) " known"
                " · " b { (company.row.engaged) } " engaged"
                @if let Some(stage) = company.row.furthest { " · furthest at " b { (stage) } }
                @if !company.records.is_empty() { " · " (row(&company.records.join(", "))) }
            }
        }
        section { h2 { "Who is known" } (people(&company)) }
        @if !company.deals.is_empty() { section { h2 { "Open deals" } ul { @for deal in &company.deals { li { (row(&deal.line())) } } } } }
    }).into_response())
}

/// What is missing, and everybody with role, engagement and owner.
pub(super) fn people(company: &view::CommitteeView) -> Markup {
    let shown = u32::try_from(company.members.len()).unwrap_or(u32::MAX);
    let held = company.members.iter().flat_map(|member| &member.roles);
    let rules: BTreeMap<&str, &str> = held.map(|role| (role.role.as_str(), role.when.as_str())).collect();
    html! {
        @if let Some(missing) = &company.row.missing { p.banner { (row(&missing.text)) } }
        @if company.row.is_single_threaded { p.banner { "Single-threaded: there is only this one contact." } }
        p.facts {
            "Roles known: " (counts(&company.row.roles))
            @if !company.unknown_roles.is_empty() { " · nobody as " (row(&company.unknown_roles.join(", "))) }
        }
        table.cards {
            thead { tr { th scope="col" { "Person" } th scope="col" { "Role" } th scope="col" { "Engaged" } th scope="col" { "Stage" } th scope="col" { "With" } th scope="col" { "Known in" } } }
            tbody {
                @for member in &company.members {
                    tr {
                        td data-label="Person" {
                            a href={ "/leads/" (member.lead) } { (row(&member.who)) }
                            @if let Some(title) = &member.title { br; small { (row(title)) } }
                        }
                        td data-label="Role" {
                            @for (at, role) in member.roles.iter().enumerate() { @if at > 0 { ", " } b { (row(&role.role)) } }
                            @if member.roles.is_empty() { small { "none" } }
                        }
                        td data-label="Engaged" {
                            @match (&member.engaged_by, &member.engaged_at) {
                                (Some(by), Some(at)) => { (row(by)) br; small { (moment(at)) } },
                                _ => small { "no" },
                            }
                        }
                        td.number data-label="Stage" { (member.stage) @if member.opted_out { br; small { "opted out" } } }
                        td.number data-label="With" {
                            (row(member.owner.as_deref().unwrap_or("nobody")))
                            @if let Some(handoff) = &member.handoff { br; small { "hand-off " (handoff) } }
                        }
                        td.number data-label="Known in" { (row(&member.known_in.join(", "))) }
                    }
                }
            }
        }
        @if company.row.people > shown { p.empty { "and " (company.row.people - shown) " more" } }
        @if !rules.is_empty() {
            details { summary { "Why somebody has a role" } ul { @for (role, when) in &rules { li { b { (row(role)) } ": " code { (row(when)) } } } } }
        }
    }
}
