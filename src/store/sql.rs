//! Each statement once, in the subset that SQLite and PostgreSQL share.
//!
//! Statements over many rows come in a few sizes, so that their texts, and with them their prepared forms, are few:
//! what is asked for is cut into chunks of those sizes, and a list that is too short repeats its last value.

/// Rows of one multi-row insert, largest first; together with the columns they stay below SQLite's 32,766 parameters.
pub(super) const ROW_SIZES: [usize; 4] = [500, 50, 8, 1];
/// Values of one `IN` list, smallest first.
pub(super) const LIST_SIZES: [usize; 4] = [1, 10, 100, 500];

/// A bulk insert: what stands before and after the rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Insert {
    pub(super) head: &'static str,
    pub(super) columns: usize,
    pub(super) tail: &'static str,
}

impl Insert {
    /// The statement for `rows` rows, with SQLite's unnumbered parameters: the driver looks each `$N` up by its name, so a
    /// statement of a thousand of them costs the square of that. PostgreSQL's driver will number them.
    pub(super) fn text(self, rows: usize) -> String {
        let mut text = String::with_capacity(self.head.len() + self.tail.len() + rows * self.columns * 3);
        text.push_str(self.head);
        text.push_str(" VALUES ");
        for row in 0..rows {
            text.push_str(if row == 0 { "(" } else { ", (" });
            for column in 0..self.columns {
                text.push_str(if column == 0 { "?" } else { ", ?" });
            }
            text.push(')');
        }
        text.push(' ');
        text.push_str(self.tail);
        text
    }
}

/// `text` for SQLite: every `$N` and the `{IN}` become unnumbered parameters, for the reason that [`Insert::text`] gives.
/// The second part says what is bound to each in turn: a value of `bound` by its place, or the next of the list.
pub(super) fn unnumbered(text: &str, list: usize) -> (String, Vec<Parameter>) {
    let mut out = String::with_capacity(text.len() + 3 * list);
    let mut parameters = Vec::with_capacity(8 + list);
    let mut rest = text;
    while let Some(at) = rest.find(['$', '{']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("{IN}") {
            for place in 0..list {
                out.push_str(if place == 0 { "?" } else { ", ?" });
                parameters.push(Parameter::Listed(place));
            }
            rest = after;
            continue;
        }
        let digits = rest[1..].bytes().take_while(u8::is_ascii_digit).count();
        match rest[1..=digits].parse::<usize>() {
            Ok(number) => {
                out.push('?');
                parameters.push(Parameter::Bound(number - 1));
            }
            Err(_) => out.push_str(&rest[..=digits]),
        }
        rest = &rest[1 + digits..];
    }
    out.push_str(rest);
    (out, parameters)
}

/// What an unnumbered parameter stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parameter {
    /// The value that `$N` names, counted from 0.
    Bound(usize),
    /// This value of the list, counted from 0.
    Listed(usize),
}

/// What stands between bodies that a statement returns as one text. SQLite runs on a thread of its own, and waking the
/// reader for every row costs more than the row; JSON never holds a raw line break.
pub(super) const BETWEEN_BODIES: char = '\n';

pub(super) const PERSON: Insert = Insert {
    head: "INSERT INTO person (workspace, connection, id, lead, company, body)",
    columns: 6,
    tail: "ON CONFLICT (workspace, connection, id) DO UPDATE SET lead = excluded.lead, company = excluded.company, body = excluded.body",
};
pub(super) const PERSON_KEY: Insert = Insert {
    head: "INSERT INTO person_key (workspace, kind, value, connection, id, lead)",
    columns: 6,
    tail: "ON CONFLICT (workspace, kind, value, connection, id) DO UPDATE SET lead = excluded.lead",
};
pub(super) const COMPANY: Insert = Insert {
    head: "INSERT INTO company (workspace, connection, id, body)",
    columns: 4,
    tail: "ON CONFLICT (workspace, connection, id) DO UPDATE SET body = excluded.body",
};
pub(super) const TOUCH: Insert = Insert {
    head: "INSERT INTO touch (workspace, connection, person, object, id, happened_at, body)",
    columns: 7,
    tail: "ON CONFLICT (workspace, connection, person, object, id) DO UPDATE SET happened_at = excluded.happened_at, body = excluded.body",
};
pub(super) const USER: Insert = Insert {
    head: "INSERT INTO crm_user (workspace, connection, id, body)",
    columns: 4,
    tail: "ON CONFLICT (workspace, connection, id) DO UPDATE SET body = excluded.body",
};
pub(super) const STREAM: Insert = Insert {
    head: "INSERT INTO stream (workspace, connection, stream, cursor_text, covered_until, read_at, error)",
    columns: 7,
    tail: "ON CONFLICT (workspace, connection, stream) DO UPDATE SET cursor_text = excluded.cursor_text, covered_until = excluded.covered_until, read_at = excluded.read_at, error = excluded.error",
};
pub(super) const LEAD: Insert = Insert {
    head: "INSERT INTO lead (workspace, id, version, stage, stage_since, name, email, owner, look_at, evidence_at, body)",
    columns: 11,
    tail: "ON CONFLICT (workspace, id) DO UPDATE SET version = excluded.version, stage = excluded.stage, stage_since = excluded.stage_since, name = excluded.name, email = excluded.email, owner = excluded.owner, look_at = excluded.look_at, evidence_at = excluded.evidence_at, body = excluded.body",
};
pub(super) const HANDOFF: Insert = Insert {
    head: "INSERT INTO handoff (workspace, lead, number, state, owner, due_at, is_shadow, body)",
    columns: 8,
    tail: "ON CONFLICT (workspace, lead, number) DO UPDATE SET state = excluded.state, owner = excluded.owner, due_at = excluded.due_at, is_shadow = excluded.is_shadow, body = excluded.body",
};
pub(super) const EVENT: Insert =
    Insert { head: "INSERT INTO event (workspace, seq, lead, happened_at, decided_at, body)", columns: 6, tail: "" };
pub(super) const OUTBOX: Insert = Insert {
    head: "INSERT INTO outbox (workspace, op, seq, lead, handoff, connection, channel, lane, effect, state, attempt, doubt, not_before, lease_until, created_at, body)",
    columns: 16,
    tail: "ON CONFLICT (workspace, op) DO NOTHING",
};
pub(super) const TEAM: Insert = Insert {
    head: "INSERT INTO team (workspace, team, version, body)",
    columns: 4,
    tail: "ON CONFLICT (workspace, team) DO UPDATE SET version = excluded.version, body = excluded.body",
};
pub(super) const FINDING: Insert = Insert {
    head: "INSERT INTO finding (workspace, kind, subject, lead, text, first_at, last_at)",
    columns: 7,
    tail: "ON CONFLICT (workspace, kind, subject) DO UPDATE SET text = excluded.text, last_at = excluded.last_at, resolved_at = NULL",
};
pub(super) const META: Insert = Insert {
    head: "INSERT INTO meta (workspace, name, value)",
    columns: 3,
    tail: "ON CONFLICT (workspace, name) DO UPDATE SET value = excluded.value",
};

pub(super) const PEOPLE: &str =
    "SELECT string_agg(body, '\n') FROM person WHERE workspace = $1 AND connection = $2 AND id IN ({IN})";
pub(super) const PEOPLE_OF_LEADS: &str =
    "SELECT string_agg(body, '\n' ORDER BY lead, connection, id) FROM person WHERE workspace = $1 AND lead IN ({IN})";
pub(super) const LEADS_OF_PEOPLE: &str =
    "SELECT id, lead FROM person WHERE workspace = $1 AND connection = $2 AND id IN ({IN})";
pub(super) const LEADS_BY_KEY: &str =
    "SELECT value, lead FROM person_key WHERE workspace = $1 AND kind = $2 AND value IN ({IN})";
pub(super) const LEADS_OF_COMPANY: &str =
    "SELECT DISTINCT lead FROM person WHERE workspace = $1 AND connection = $2 AND company = $3 ORDER BY lead LIMIT $4";
pub(super) const COMPANIES: &str =
    "SELECT string_agg(body, '\n') FROM company WHERE workspace = $1 AND connection = $2 AND id IN ({IN})";
pub(super) const TOUCHES_OF: &str = "SELECT string_agg(body, '\n') FROM touch WHERE workspace = $1 AND connection = $2 AND object = $3 AND id IN ({IN})";
pub(super) const TOUCHES_ON: &str = "SELECT string_agg(body, '\n' ORDER BY happened_at) FROM touch WHERE workspace = $1 AND connection = $2 AND happened_at >= $3 AND person IN ({IN})";
pub(super) const DELETE_TOUCHES: &str =
    "DELETE FROM touch WHERE workspace = $1 AND connection = $2 AND object = $3 AND id IN ({IN})";
pub(super) const DELETE_KEY: &str =
    "DELETE FROM person_key WHERE workspace = $1 AND kind = $2 AND value = $3 AND connection = $4 AND id = $5";
pub(super) const LEADS: &str = "SELECT id, version, stage, stage_since, name, email, owner, look_at, evidence_at, body FROM lead WHERE workspace = $1 AND id IN ({IN})";
pub(super) const VERSIONS: &str = "SELECT id, version FROM lead WHERE workspace = $1 AND id IN ({IN})";
pub(super) const HANDOFFS: &str =
    "SELECT string_agg(body, '\n' ORDER BY lead, number) FROM handoff WHERE workspace = $1 AND lead IN ({IN})";
pub(super) const RECEIPTS: &str =
    "SELECT lead, handoff, op, state, settled_at FROM outbox WHERE workspace = $1 AND lead IN ({IN})";
pub(super) const LEADS_DUE: &str = "SELECT id FROM (SELECT id, look_at AS due FROM lead WHERE workspace = $1 AND look_at <= $2 UNION SELECT id, evidence_at AS due FROM lead WHERE workspace = $1 AND evidence_at < $3 AND evidence_at <= $2) AS ready GROUP BY id ORDER BY MIN(due), id LIMIT $4";
pub(super) const LEADS_AFTER: &str = "SELECT string_agg(CAST(lead AS TEXT), ' ') FROM (SELECT DISTINCT lead FROM person WHERE workspace = $1 AND lead > $2 ORDER BY lead LIMIT $3) AS next";
pub(super) const LAST_LEAD: &str = "SELECT MAX(lead) FROM person WHERE workspace = $1";
pub(super) const LAST_EVENT: &str = "SELECT MAX(seq) FROM event WHERE workspace = $1";
pub(super) const LAST_EFFECT: &str = "SELECT MAX(seq) FROM outbox WHERE workspace = $1";
pub(super) const STREAMS: &str = "SELECT connection, stream, cursor_text, covered_until, read_at, error FROM stream WHERE workspace = $1 ORDER BY connection, stream";
pub(super) const USERS: &str = "SELECT connection, id, body FROM crm_user WHERE workspace = $1";
pub(super) const TEAMS: &str = "SELECT body FROM team WHERE workspace = $1";
pub(super) const TEAM_VERSION: &str = "SELECT version FROM team WHERE workspace = $1 AND team = $2";
pub(super) const OPEN_LOADS: &str = "SELECT owner, COUNT(*) FROM handoff WHERE workspace = $1 AND state <> 'closed' AND is_shadow = 0 AND owner IS NOT NULL GROUP BY owner";
pub(super) const RECHECK: &str = "UPDATE lead SET version = version + 1, look_at = CASE WHEN look_at IS NULL OR look_at > $2 THEN $2 ELSE look_at END WHERE workspace = $1 AND id IN ({IN})";
pub(super) const CANCEL: &str = "UPDATE outbox SET state = 'cancelled', settled_at = $4, message = $5 WHERE workspace = $1 AND lead = $2 AND handoff = $3 AND connection <> '' AND state = 'pending' AND doubt = 0 AND created_at < $4";
pub(super) const RESOLVE: &str = "UPDATE finding SET resolved_at = $2 WHERE workspace = $1 AND resolved_at IS NULL AND last_at < $2 AND lead IN ({IN})";
pub(super) const RESOLVE_SUBJECTS: &str = "UPDATE finding SET resolved_at = $2 WHERE workspace = $1 AND kind = $3 AND resolved_at IS NULL AND last_at < $2 AND subject IN ({IN})";
pub(super) const RESOLVE_PARTS: &str = "UPDATE finding SET resolved_at = $2 WHERE workspace = $1 AND kind = $3 AND resolved_at IS NULL AND last_at < $2 AND substr(subject, 1, length($4)) = $4";
pub(super) const RESOLVE_UNSEEN: &str = "UPDATE finding SET resolved_at = $2 WHERE workspace = $1 AND kind IN ('unmapped', 'undecodable') AND lead IS NULL AND resolved_at IS NULL AND last_at < $3";
pub(super) const META_VALUE: &str = "SELECT value FROM meta WHERE workspace = $1 AND name = $2";

pub(super) const CLAIM_WRITES: &str = "UPDATE outbox SET doubt = CASE WHEN state = 'pending' THEN doubt ELSE 1 END, state = 'sending', attempt = attempt + 1, tries = tries + 1, lease_until = $4 WHERE workspace = $1 AND op IN (SELECT ready.op FROM outbox AS ready WHERE ready.workspace = $1 AND ready.connection = $2 AND ready.channel = '' AND ((ready.state IN ('pending', 'unknown') AND ready.not_before <= $3) OR (ready.state = 'sending' AND ready.lease_until < $3)) AND NOT EXISTS (SELECT 1 FROM outbox AS earlier WHERE earlier.workspace = $1 AND earlier.connection = $2 AND earlier.channel = '' AND earlier.lead = ready.lead AND earlier.seq < ready.seq AND earlier.state IN ('pending', 'sending', 'unknown') AND (earlier.lane <= ready.lane OR earlier.effect = 'create' OR ready.effect = 'create')) ORDER BY ready.lane, ready.seq LIMIT $5) RETURNING op, attempt, doubt, body, seq, tries";
pub(super) const CLAIM_NOTICES: &str = "UPDATE outbox SET doubt = CASE WHEN state = 'sending' THEN doubt + 1 ELSE doubt END, state = 'sending', attempt = attempt + 1, tries = tries + 1, lease_until = $4 WHERE workspace = $1 AND op IN (SELECT ready.op FROM outbox AS ready WHERE ready.workspace = $1 AND ready.connection = '' AND ready.channel = $2 AND ((ready.state IN ('pending', 'unknown') AND ready.not_before <= $3) OR (ready.state = 'sending' AND ready.lease_until < $3)) ORDER BY ready.seq LIMIT $5) RETURNING op, attempt, doubt, body, seq, tries";
pub(super) const CHANNELS_WAITING: &str = "SELECT channel, COUNT(*) FROM outbox WHERE workspace = $1 AND connection = '' AND ((state IN ('pending', 'unknown') AND not_before <= $2) OR (state = 'sending' AND lease_until < $2)) GROUP BY channel ORDER BY channel";
pub(super) const SETTLE: &str = "UPDATE outbox SET state = $4, settled_at = $5, not_before = $6, message = $7, tries = tries - $8, doubt = $9 WHERE workspace = $1 AND op = $2 AND attempt = $3 AND state = 'sending'";
pub(super) const DOUBT: &str = "UPDATE outbox SET state = 'unknown', doubt = doubt + 1, not_before = $2, message = $3 WHERE workspace = $1 AND state = 'sending'";
pub(super) const PRUNE: &str = "UPDATE outbox SET body = '' WHERE workspace = $1 AND op IN (SELECT old.op FROM outbox AS old WHERE old.workspace = $1 AND old.state IN ('done', 'cancelled') AND old.settled_at < $2 AND old.body <> '' LIMIT 500)";
pub(super) const HURRY: &str =
    "UPDATE outbox SET not_before = 0 WHERE workspace = $1 AND state IN ('pending', 'unknown')";

pub(super) const OPEN_HANDOFFS: &str = "SELECT h.body, l.name, l.email, l.stage, l.body FROM handoff AS h JOIN lead AS l ON l.workspace = h.workspace AND l.id = h.lead WHERE h.workspace = $1 AND h.state <> 'closed' ORDER BY h.due_at IS NULL, h.due_at, h.lead LIMIT $2";
pub(super) const OPEN_COUNT: &str =
    "SELECT COUNT(*), COALESCE(SUM(is_shadow), 0) FROM handoff WHERE workspace = $1 AND state <> 'closed'";
pub(super) const EVENTS_RECENT: &str = "SELECT e.seq, e.lead, e.body, l.name, e.decided_at FROM event AS e LEFT JOIN lead AS l ON l.workspace = e.workspace AND l.id = e.lead WHERE e.workspace = $1 AND e.seq > $2 ORDER BY e.seq DESC LIMIT $3";
pub(super) const EVENTS_OF_LEAD: &str =
    "SELECT seq, body, decided_at FROM event WHERE workspace = $1 AND lead = $2 ORDER BY happened_at, seq";
pub(super) const EFFECTS_OF_LEAD: &str = "SELECT op, connection, channel, effect, state, attempt, created_at, settled_at, message, lead FROM outbox WHERE workspace = $1 AND lead = $2 ORDER BY seq";
pub(super) const EFFECTS_DEAD: &str = "SELECT op, connection, channel, effect, state, attempt, created_at, settled_at, message, lead FROM outbox WHERE workspace = $1 AND state = 'dead' ORDER BY settled_at DESC LIMIT $2";
pub(super) const EFFECTS_NAMED: &str = "SELECT op, connection, channel, effect, state, attempt, created_at, settled_at, message, lead FROM outbox WHERE workspace = $1 AND op >= $2 AND op < $3 ORDER BY op LIMIT $4";
pub(super) const EFFECTS_IN: &str = "SELECT op, connection, channel, effect, state, attempt, created_at, settled_at, message, lead FROM outbox WHERE workspace = $1 AND state IN ({IN}) ORDER BY seq DESC LIMIT $2";
pub(super) const RETRY: &str = "UPDATE outbox SET state = CASE WHEN doubt > 0 AND connection <> '' THEN 'unknown' ELSE 'pending' END, not_before = 0, tries = 0, settled_at = NULL, message = NULL WHERE workspace = $1 AND op = $2 AND state = 'dead' AND body <> ''";
pub(super) const DISCARD: &str = "UPDATE outbox SET state = 'cancelled', settled_at = $3, message = $4 WHERE workspace = $1 AND op = $2 AND state IN ('pending', 'unknown', 'dead')";
pub(super) const EFFECT_STATES: &str = "SELECT state, COUNT(*) FROM outbox WHERE workspace = $1 GROUP BY state";
pub(super) const POSSIBLE_REPEATS: &str = "SELECT COUNT(*) FROM outbox WHERE workspace = $1 AND connection = '' AND (doubt > 1 OR (doubt > 0 AND state = 'done'))";
pub(super) const STAGE_COUNTS: &str = "SELECT stage, COUNT(*) FROM lead WHERE workspace = $1 GROUP BY stage";
pub(super) const FINDINGS_OPEN: &str = "SELECT kind, subject, text, first_at, last_at FROM finding WHERE workspace = $1 AND resolved_at IS NULL ORDER BY last_at DESC LIMIT $2";
pub(super) const FINDINGS_OF_LEAD: &str = "SELECT kind, subject, text, first_at, last_at FROM finding WHERE workspace = $1 AND lead = $2 AND resolved_at IS NULL ORDER BY first_at";
pub(super) const LEAD_BY_EMAIL: &str =
    "SELECT lead FROM person_key WHERE workspace = $1 AND kind = 'email' AND value = $2 ORDER BY lead LIMIT 1";
pub(super) const LEAD_BY_REMOTE: &str = "SELECT lead FROM person WHERE workspace = $1 AND connection = $2 AND id = $3";
pub(super) const JOURNEY: &str =
    "SELECT string_agg(body, '\n') FROM person WHERE workspace = $1 AND connection = $2 AND lead IN ({IN})";
pub(super) const DUE_SOON: &str = "SELECT p.body FROM handoff AS h JOIN person AS p ON p.workspace = h.workspace AND p.lead = h.lead WHERE h.workspace = $1 AND h.state = 'open' AND h.due_at <= $2 AND p.connection = $3 ORDER BY h.due_at LIMIT $4";
pub(super) const ALL_OPEN_PEOPLE: &str = "SELECT p.body FROM handoff AS h JOIN person AS p ON p.workspace = h.workspace AND p.lead = h.lead WHERE h.workspace = $1 AND h.state = 'open' AND p.connection = $2 AND h.lead > $3 ORDER BY h.lead LIMIT $4";
/// Bodies say what became of a record: `"presence":null` is there still. Quotes inside a value are escaped, so that no value can
/// look like it.
pub(super) const PEOPLE_LIVE: &str = "SELECT COUNT(*) FROM (SELECT id FROM person WHERE workspace = $1 AND connection = $2 AND body NOT LIKE '%\"presence\":{%' LIMIT $3) AS live";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bulk_insert_has_a_parameter_for_each_value() {
        let insert = Insert { head: "INSERT INTO t (a, b)", columns: 2, tail: "ON CONFLICT DO NOTHING" };
        assert_eq!(insert.text(2), "INSERT INTO t (a, b) VALUES (?, ?), (?, ?) ON CONFLICT DO NOTHING");
    }

    #[test]
    fn parameters_are_bound_in_the_order_in_which_they_stand() {
        use Parameter::{Bound, Listed};
        let (text, parameters) = unnumbered("a = $2 AND b < $2 AND c = '$' AND d IN ({IN}) AND e = $10", 2);
        assert_eq!(text, "a = ? AND b < ? AND c = '$' AND d IN (?, ?) AND e = ?");
        assert_eq!(parameters, [Bound(1), Bound(1), Listed(0), Listed(1), Bound(9)]);
    }

    #[test]
    fn statements_stay_below_the_parameters_that_sqlite_takes() {
        for insert in
            [PERSON, PERSON_KEY, COMPANY, TOUCH, USER, STREAM, LEAD, HANDOFF, EVENT, OUTBOX, TEAM, FINDING, META]
        {
            assert!(insert.columns * ROW_SIZES[0] < 32_766);
        }
    }

    /// The subset that both stores share: no statement may use what only one of them has.
    #[test]
    fn no_statement_uses_what_only_one_store_has() {
        let source = include_str!("sql.rs");
        let source = source.split("#[cfg(test)]").next().unwrap();
        for banned in [
            "json_each",
            "REPLACE INTO",
            "rowid",
            "SKIP LOCKED",
            "FOR UPDATE",
            "LISTEN",
            "datetime(",
            "IFNULL",
            "AUTOINCREMENT",
        ] {
            assert!(!source.contains(banned), "{banned}");
        }
    }
}
