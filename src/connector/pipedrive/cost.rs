//! What each request costs of the company's tokens of the day, and how many Baton has spent. Source: sections 3 and 6.
//!
//! No header tells what is left: Baton counts its own requests against the share that the settings give it, and keeps the count over a
//! restart; what the others spend is seen only by a 429.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::http::Method;

/// Tokens of a day for each seat on the smallest plan. Source: section 6.
pub(super) const PER_SEAT: u64 = 30_000;
/// What was spent before a restart, where nobody asks any more for what.
const EARLIER: &str = "before the last start";
/// What a request costs that the table does not know: as much as the dearest list.
const UNKNOWN: u64 = 40;

/// The cost of a request by method and path segments, `["v1", "leads"]`. Source: section 3 (`x-token-cost`).
pub(super) fn cost(method: Method, path: &[&str]) -> u64 {
    match (method, path) {
        (Method::Get, ["v1", "users", "me"] | ["v1", "leadSources"]) => 2,
        (Method::Get, ["v1", "deals", _, "changelog"]) => 20,
        (Method::Get, ["v1", "leads", "archived"]) => 40,
        (Method::Get, ["v1", "users" | "leads" | "notes", _]) => 2,
        (Method::Get, ["v1", "users" | "leads" | "notes" | "leadFields" | "activityTypes"]) => 20,
        (Method::Post, ["v1", "leads" | "notes" | "leadLabels" | "webhooks"]) => 10,
        (Method::Patch, ["v1", "leads", _]) => 10,
        (Method::Get, ["v1", "leadLabels" | "webhooks"]) => 10,
        (Method::Get, ["v2", _, "search"]) => 20,
        (Method::Get, ["v2", "deals", "archived"]) => 20,
        (Method::Get, ["v2", "stages" | "pipelines"]) => 5,
        (Method::Get, ["v2", "persons" | "organizations" | "deals" | "activities", _]) => 1,
        (Method::Get, ["v2", _]) => 10,
        (Method::Post | Method::Patch, ["v2", ..]) => 5,
        (Method::Delete, ["v2", ..]) => 3,
        _ => UNKNOWN,
    }
}

/// What was spent today.
#[derive(Debug)]
pub(super) struct Purse {
    /// The company's tokens of a day.
    daily: u64,
    /// Of which Baton takes so many of a hundred.
    share_percent: u64,
    /// Days since 1970, UTC: the zone in which the real day ends is not named. Source: section 6.
    day: i64,
    spent: u64,
    /// By what was asked: `v1/leads`.
    by_area: BTreeMap<String, u64>,
}

impl Purse {
    pub(super) fn new(daily: u64, share_percent: u8) -> Self {
        Self { daily, share_percent: u64::from(share_percent), day: i64::MIN, spent: 0, by_area: BTreeMap::new() }
    }

    /// The company has so many tokens, as far as is known now.
    pub(super) fn has_daily(&mut self, daily: u64) {
        self.daily = daily;
    }

    /// What Baton may spend in a day.
    pub(super) fn allowed(&self) -> u64 {
        self.daily * self.share_percent / 100
    }

    /// What Baton may still spend today.
    pub(super) fn left(&mut self, now: Timestamp) -> u64 {
        self.turn(now);
        self.allowed().saturating_sub(self.spent)
    }

    /// A request leaves.
    pub(super) fn spend(&mut self, now: Timestamp, path: &[&str], tokens: u64) {
        self.turn(now);
        self.spent += tokens;
        let area = path.iter().take(2).copied().collect::<Vec<_>>().join("/");
        *self.by_area.entry(area).or_default() += tokens;
    }

    /// The company has no token left: neither has Baton, until the day ends.
    pub(super) fn is_empty(&mut self, now: Timestamp) {
        self.turn(now);
        self.spent = self.spent.max(self.allowed());
    }

    /// What was spent today by what was asked, the dearest first.
    pub(super) fn spent(&self) -> Vec<(&str, u64)> {
        let mut spent: Vec<(&str, u64)> = self.by_area.iter().map(|(area, tokens)| (area.as_str(), *tokens)).collect();
        spent.sort_by_key(|(_, tokens)| std::cmp::Reverse(*tokens));
        spent
    }

    fn turn(&mut self, now: Timestamp) {
        let day = now.as_second().div_euclid(86_400);
        // Until the first answer nobody knows the day: what that answer cost belongs to the one that it tells, or to the one that an
        // earlier process knew.
        if day <= self.day {
            return;
        }
        if self.day > 0 {
            self.spent = 0;
            self.by_area.clear();
        }
        self.day = day;
    }

    /// What was spent, as the store keeps it: the day, and the tokens.
    pub(super) fn text(&self) -> String {
        format!("{} {}", self.day, self.spent)
    }

    /// An earlier process spent this; what cannot be read is nothing.
    pub(super) fn recall(&mut self, text: &str) {
        let known =
            text.split_once(' ').and_then(|(day, spent)| Some((day.parse::<i64>().ok()?, spent.parse::<u64>().ok()?)));
        let Some((day, spent)) = known.filter(|(day, _)| *day >= self.day) else { return };
        // Of another day than that of the store it is not; of none, it is of that one.
        let own = if self.day > 0 && self.day != day { 0 } else { self.spent };
        (self.day, self.spent) = (day, spent.saturating_add(own));
        *self.by_area.entry(EARLIER.to_owned()).or_default() += spent;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn requests_cost_what_section_3_says() {
        for (method, path, tokens) in [
            (Method::Get, &["v1", "users", "me"][..], 2),
            (Method::Get, &["v1", "users"], 20),
            (Method::Get, &["v1", "leads"], 20),
            (Method::Get, &["v1", "leads", "adf21080"], 2),
            (Method::Get, &["v1", "leads", "archived"], 40),
            (Method::Get, &["v1", "deals", "7", "changelog"], 20),
            (Method::Patch, &["v1", "leads", "adf21080"], 10),
            (Method::Get, &["v2", "persons"], 10),
            (Method::Get, &["v2", "persons", "1"], 1),
            (Method::Get, &["v2", "persons", "search"], 20),
            (Method::Get, &["v2", "stages"], 5),
            (Method::Get, &["v2", "personFields"], 10),
            (Method::Post, &["v2", "activities"], 5),
            (Method::Delete, &["v2", "activities", "7"], 3),
            (Method::Get, &["v1", "something"], 40),
        ] {
            assert_eq!(cost(method, path), tokens, "{method:?} {path:?}");
        }
    }

    #[test]
    fn a_share_of_the_day_is_spent_and_comes_back_with_the_next() {
        let mut purse = Purse::new(1_000, 60);
        let noon = at("2026-11-24T12:00:00Z");
        assert_eq!(purse.left(noon), 600);
        purse.spend(noon, &["v1", "leads", "x"], 20);
        purse.spend(noon, &["v1", "leads"], 20);
        purse.spend(noon, &["v2", "deals"], 10);
        assert_eq!((purse.left(noon), purse.spent()), (550, vec![("v1/leads", 40), ("v2/deals", 10)]));
        purse.is_empty(noon);
        assert_eq!(purse.left(at("2026-11-24T23:59:59Z")), 0);
        assert_eq!(purse.left(at("2026-11-25T00:00:00Z")), 600);
        purse.has_daily(100);
        assert_eq!(purse.allowed(), 60);
    }

    #[test]
    fn what_an_earlier_process_spent_today_is_spent() {
        let noon = at("2026-11-24T12:00:00Z");
        let mut earlier = Purse::new(1_000, 60);
        earlier.spend(noon, &["v1", "leads"], 250);
        let kept = earlier.text();
        let again = |text: &str| {
            let mut purse = Purse::new(1_000, 60);
            purse.recall(text);
            purse
        };
        // Nobody knows the day before the first answer, and what that cost is of the day that it tells.
        let mut purse = again(&kept);
        assert_eq!(purse.left(Timestamp::UNIX_EPOCH), 350);
        purse.spend(Timestamp::UNIX_EPOCH, &["v1", "users", "me"], 2);
        assert_eq!(purse.left(noon), 348);
        assert_eq!(purse.spent().first(), Some(&("before the last start", 250)));
        assert_eq!(again(&purse.text()).left(noon), 348);
        assert_eq!(again(&kept).left(at("2026-11-25T00:00:00Z")), 600, "another day");
        for broken in ["", "x", "20781", "20781 x"] {
            assert_eq!(again(broken).left(noon), 600, "{broken:?}");
        }
    }
}
