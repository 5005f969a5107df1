//! Each statement once, in the subset that SQLite and PostgreSQL share.

use super::statement::Insert;

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
    head: "INSERT INTO lead (workspace, id, version, stage, stage_since, name, email, owner, look_at, evidence_at, body, merged_into, committee, roles, engaged_at)",
    columns: 15,
    tail: "ON CONFLICT (workspace, id) DO UPDATE SET version = excluded.version, stage = excluded.stage, stage_since = excluded.stage_since, name = excluded.name, email = excluded.email, owner = excluded.owner, look_at = excluded.look_at, evidence_at = excluded.evidence_at, body = excluded.body, merged_into = excluded.merged_into, committee = excluded.committee, roles = excluded.roles, engaged_at = excluded.engaged_at",
};
pub(super) const HANDOFF: Insert = Insert {
    head: "INSERT INTO handoff (workspace, lead, number, state, owner, due_at, is_shadow, body)",
    columns: 8,
    tail: "ON CONFLICT (workspace, lead, number) DO UPDATE SET state = excluded.state, owner = excluded.owner, due_at = excluded.due_at, is_shadow = excluded.is_shadow, body = excluded.body",
};
pub(super) const EVENT: Insert = Insert {
    head: "INSERT INTO event (workspace, seq, lead, happened_at, decided_at, body, digest)",
    columns: 7,
    tail: "",
};
pub(super) const OUTBOX: Insert = Insert {
    head: "INSERT INTO outbox (workspace, op, seq, lead, handoff, connection, channel, lane, effect, state, attempt, doubt, not_before, lease_until, created_at, body, digest, hold, approved, takes)",
    columns: 20,
    // One op is one effect: a second insert changes nothing, unless the first was superseded while it waited for approval.
    // Then it was never sent, and is planned anew in its place.
    tail: "ON CONFLICT (workspace, op) DO UPDATE SET seq = excluded.seq, digest = excluded.digest, state = excluded.state, hold = excluded.hold, takes = excluded.takes, body = excluded.body, created_at = excluded.created_at, settled_at = NULL, message = NULL WHERE outbox.state = 'superseded'",
};
pub(super) const TEAM: Insert = Insert {
    head: "INSERT INTO team (workspace, team, version, body)",
    columns: 4,
    tail: "ON CONFLICT (workspace, team) DO UPDATE SET version = excluded.version, body = excluded.body",
};
pub(super) const FINDING: Insert = Insert {
    head: "INSERT INTO finding (workspace, kind, subject, lead, text, first_at, last_at)",
    columns: 7,
    tail: "ON CONFLICT (workspace, kind, subject) DO UPDATE SET text = excluded.text, last_at = excluded.last_at, first_at = CASE WHEN finding.resolved_at IS NULL THEN finding.first_at ELSE excluded.first_at END, resolved_at = NULL",
};
pub(super) const MARK: Insert = Insert {
    head: "INSERT INTO forgotten (workspace, mark, forgotten_at)",
    columns: 3,
    tail: "ON CONFLICT (workspace, mark) DO UPDATE SET forgotten_at = excluded.forgotten_at",
};
pub(super) const META: Insert = Insert {
    head: "INSERT INTO meta (workspace, name, value)",
    columns: 3,
    tail: "ON CONFLICT (workspace, name) DO UPDATE SET value = excluded.value",
};
pub(super) const PROPOSAL: Insert = Insert {
    head: "INSERT INTO proposal (workspace, id, made_at, body)",
    columns: 4,
    tail: "ON CONFLICT (workspace, id) DO UPDATE SET made_at = excluded.made_at",
};

pub(super) const AUDIT: Insert =
    Insert { head: "INSERT INTO audit (workspace, seq, chained_at, content, previous, hash)", columns: 6, tail: "" };
pub(super) const JOURNAL: Insert = Insert {
    head: "INSERT INTO journal (workspace, seq, lead, decided_at, body, result, digest)",
    columns: 7,
    tail: "",
};
pub(super) const SECRET: Insert =
    Insert { head: "INSERT INTO person_secret (workspace, lead, secret)", columns: 3, tail: "" };
pub(super) const POLICY: Insert =
    Insert { head: "INSERT INTO policy (workspace, digest, kind, kept_at, body)", columns: 5, tail: "" };

pub(super) const DEAL: Insert = Insert {
    head: "INSERT INTO deal (workspace, connection, id, company, state, body)",
    columns: 6,
    tail: "ON CONFLICT (workspace, connection, id) DO UPDATE SET company = excluded.company, state = excluded.state, body = excluded.body",
};
pub(super) const DEAL_PERSON: Insert = Insert {
    head: "INSERT INTO deal_person (workspace, connection, person, deal)",
    columns: 4,
    tail: "ON CONFLICT (workspace, connection, person, deal) DO NOTHING",
};
pub(super) const ALIKE: Insert = Insert {
    head: "INSERT INTO alike (workspace, block, lead)",
    columns: 3,
    tail: "ON CONFLICT (workspace, block, lead) DO NOTHING",
};
pub(super) const REVIEW: Insert = Insert {
    head: "INSERT INTO review (workspace, lead, other, evidence, first_at)",
    columns: 5,
    tail: "ON CONFLICT (workspace, lead, other) DO UPDATE SET evidence = excluded.evidence",
};
pub(super) const APART: Insert = Insert {
    head: "INSERT INTO apart (workspace, connection, id, other_connection, other_id, said_by, said_at)",
    columns: 7,
    tail: "ON CONFLICT (workspace, connection, id, other_connection, other_id) DO NOTHING",
};

pub(super) const COLLEAGUE: Insert = Insert {
    head: "INSERT INTO colleague (workspace, connection, company, since, done_to, again)",
    columns: 6,
    // A round that has not begun sees the newest change, too.
    tail: "ON CONFLICT (workspace, connection, company) DO UPDATE SET again = CASE WHEN colleague.done_to > 0 THEN 1 ELSE colleague.again END",
};
pub(super) const COLLEAGUES: &str = "SELECT connection, company, done_to, again FROM colleague WHERE workspace = $1 ORDER BY since, connection, company LIMIT CAST($2 AS BIGINT)";
pub(super) const COLLEAGUES_OF: &str = "SELECT DISTINCT lead FROM person WHERE workspace = $1 AND connection = $2 AND company = $3 AND lead > $4 ORDER BY lead LIMIT CAST($5 AS BIGINT)";
/// The people of one company over all connections.
pub(super) const COLLEAGUES_IN: &str =
    "SELECT id FROM lead WHERE workspace = $1 AND committee = $2 AND id > $3 ORDER BY id LIMIT CAST($4 AS BIGINT)";
/// Whoever is forgotten counts for nobody any more.
pub(super) const COLLEAGUES_OF_FORGOTTEN: &str =
    "SELECT DISTINCT committee FROM lead WHERE workspace = $1 AND committee IS NOT NULL AND id IN ({IN})";
/// Roles are the names of all that somebody has, a line each.
pub(super) const HEADCOUNTS: &str = "SELECT committee, roles, stage, COUNT(*), COUNT(engaged_at) FROM lead WHERE workspace = $1 AND committee IS NOT NULL AND committee IN ({IN}) GROUP BY committee, roles, stage";
/// Those come first in which most people are engaged.
pub(super) const COMMITTEES: &str = "SELECT committee, COUNT(*), COUNT(engaged_at), MIN(id) FROM lead WHERE workspace = $1 AND committee IS NOT NULL GROUP BY committee ORDER BY COUNT(engaged_at) DESC, COUNT(*) DESC, committee LIMIT CAST($2 AS BIGINT) OFFSET $3";
pub(super) const COMMITTEES_COUNT: &str =
    "SELECT COUNT(DISTINCT committee) FROM lead WHERE workspace = $1 AND committee IS NOT NULL";
/// Those who were engaged last come first, then those with a role.
pub(super) const COMMITTEE_PEOPLE: &str = "SELECT id FROM lead WHERE workspace = $1 AND committee = $2 ORDER BY engaged_at IS NULL, engaged_at DESC, roles = '', id LIMIT CAST($3 AS BIGINT)";
pub(super) const COMMITTEES_IN_DEALS: &str = "SELECT DISTINCT l.committee FROM lead AS l CROSS JOIN person AS p CROSS JOIN deal_person AS dp CROSS JOIN deal AS d WHERE p.workspace = l.workspace AND p.lead = l.id AND dp.workspace = p.workspace AND dp.connection = p.connection AND dp.person = p.id AND d.workspace = dp.workspace AND d.connection = dp.connection AND d.id = dp.deal AND l.workspace = $1 AND l.committee IS NOT NULL AND d.state = 'open' AND l.committee IN ({IN})";
pub(super) const OPEN_DEALS_OF_COMMITTEE: &str = "SELECT DISTINCT d.connection, d.id, d.body FROM lead AS l CROSS JOIN person AS p CROSS JOIN deal_person AS dp CROSS JOIN deal AS d WHERE p.workspace = l.workspace AND p.lead = l.id AND dp.workspace = p.workspace AND dp.connection = p.connection AND dp.person = p.id AND d.workspace = dp.workspace AND d.connection = dp.connection AND d.id = dp.deal AND l.workspace = $1 AND l.committee = $2 AND d.state = 'open' ORDER BY d.connection, d.id LIMIT CAST($3 AS BIGINT)";
pub(super) const DEALS_OF_COMPANY: &str = "SELECT body FROM deal WHERE workspace = $1 AND connection = $2 AND company = $3 AND state = 'open' ORDER BY id LIMIT CAST($4 AS BIGINT)";
pub(super) const COLLEAGUES_DONE_TO: &str =
    "UPDATE colleague SET done_to = $4 WHERE workspace = $1 AND connection = $2 AND company = $3";
/// The next round stands behind what other companies wait for.
pub(super) const COLLEAGUES_AGAIN: &str =
    "UPDATE colleague SET done_to = 0, again = 0, since = $4 WHERE workspace = $1 AND connection = $2 AND company = $3";
pub(super) const COLLEAGUES_DONE: &str =
    "DELETE FROM colleague WHERE workspace = $1 AND connection = $2 AND company = $3";

pub(super) const ROUND: Insert = Insert {
    head: "INSERT INTO patrol (workspace, connection, stream, began_at, next_id, seen, expected, gone, whole_at, halted_at, why)",
    columns: 11,
    tail: "ON CONFLICT (workspace, connection, stream) DO UPDATE SET began_at = excluded.began_at, next_id = excluded.next_id, seen = excluded.seen, expected = excluded.expected, gone = excluded.gone, whole_at = excluded.whole_at, halted_at = excluded.halted_at, why = excluded.why",
};
/// The greatest age is that of the last day: `age_at` says when it was seen.
pub(super) const REPAIR: Insert = Insert {
    head: "INSERT INTO repair (workspace, connection, stream, cause, total, last_at, age_ms, age_at)",
    columns: 8,
    tail: "ON CONFLICT (workspace, connection, stream, cause) DO UPDATE SET total = repair.total + excluded.total, last_at = excluded.last_at, age_ms = CASE WHEN excluded.age_ms >= repair.age_ms OR repair.age_at < excluded.age_at - 86400000 THEN excluded.age_ms ELSE repair.age_ms END, age_at = CASE WHEN excluded.age_ms >= repair.age_ms OR repair.age_at < excluded.age_at - 86400000 THEN excluded.age_at ELSE repair.age_at END",
};
pub(super) const VANISHED: Insert = Insert {
    head: "INSERT INTO vanished (workspace, connection, hour, gone)",
    columns: 4,
    tail: "ON CONFLICT (workspace, connection, hour) DO UPDATE SET gone = vanished.gone + excluded.gone",
};
pub(super) const VANISHED_SINCE: &str =
    "SELECT COALESCE(SUM(gone), 0) FROM vanished WHERE workspace = $1 AND connection = $2 AND hour >= $3";
pub(super) const VANISHED_BEFORE: &str = "DELETE FROM vanished WHERE workspace = $1 AND connection = $2 AND hour < $3";
pub(super) const HOOK_EVENT: Insert = Insert {
    head: "INSERT INTO hook_event (workspace, connection, event, heard_at)",
    columns: 4,
    tail: "ON CONFLICT (workspace, connection, event) DO NOTHING",
};
pub(super) const HINT: Insert = Insert {
    head: "INSERT INTO hint (workspace, connection, object, id, seq, around, first_at, tries, not_before)",
    columns: 9,
    tail: "ON CONFLICT (workspace, connection, object, id) DO UPDATE SET seq = hint.seq + 1, around = CASE WHEN excluded.around > hint.around THEN excluded.around ELSE hint.around END, tries = 0, not_before = 0",
};
pub(super) const UNDECIDED: Insert = Insert {
    head: "INSERT INTO undecided (workspace, lead)",
    columns: 2,
    tail: "ON CONFLICT (workspace, lead) DO NOTHING",
};

pub(super) const ROUNDS: &str = "SELECT connection, stream, began_at, next_id, seen, expected, gone, whole_at, halted_at, why FROM patrol WHERE workspace = $1 ORDER BY connection, stream";
pub(super) const REPAIRS: &str = "SELECT connection, stream, cause, total, last_at, age_ms, age_at FROM repair WHERE workspace = $1 ORDER BY connection, stream, cause";
/// Ids are numbers as text: of two, the longer one is greater. Those of one length are a stretch of the key's order.
pub(super) const PEOPLE_BETWEEN: &str = "SELECT id FROM person WHERE workspace = $1 AND connection = $2 AND id >= $3 AND id < $4 AND LENGTH(id) = $5 AND body NOT LIKE '%\"presence\":{%'";
pub(super) const PEOPLE_FROM: &str = "SELECT id FROM person WHERE workspace = $1 AND connection = $2 AND (LENGTH(id) > $3 OR (LENGTH(id) = $3 AND id >= $4)) AND (LENGTH(id) < $5 OR (LENGTH(id) = $5 AND id < $6)) AND body NOT LIKE '%\"presence\":{%'";
pub(super) const COMPANIES_BETWEEN: &str =
    "SELECT id FROM company WHERE workspace = $1 AND connection = $2 AND id >= $3 AND id < $4 AND LENGTH(id) = $5";
pub(super) const COMPANIES_FROM: &str = "SELECT id FROM company WHERE workspace = $1 AND connection = $2 AND (LENGTH(id) > $3 OR (LENGTH(id) = $3 AND id >= $4)) AND (LENGTH(id) < $5 OR (LENGTH(id) = $5 AND id < $6))";
pub(super) const TOUCHES_BETWEEN: &str = "SELECT DISTINCT id FROM touch WHERE workspace = $1 AND connection = $2 AND object = $6 AND id >= $3 AND id < $4 AND LENGTH(id) = $5";
pub(super) const TOUCHES_FROM: &str = "SELECT DISTINCT id FROM touch WHERE workspace = $1 AND connection = $2 AND object = $7 AND (LENGTH(id) > $3 OR (LENGTH(id) = $3 AND id >= $4)) AND (LENGTH(id) < $5 OR (LENGTH(id) = $5 AND id < $6))";
pub(super) const PEOPLE_COUNT: &str = "SELECT COUNT(*) FROM person WHERE workspace = $1 AND connection = $2";
pub(super) const COMPANIES_COUNT: &str = "SELECT COUNT(*) FROM company WHERE workspace = $1 AND connection = $2";
pub(super) const TOUCHES_COUNT: &str =
    "SELECT COUNT(*) FROM touch WHERE workspace = $1 AND connection = $2 AND object = $3";
pub(super) const HINTS_COUNT: &str = "SELECT COUNT(*) FROM hint WHERE workspace = $1 AND connection = $2";
pub(super) const HINTS_READY: &str = "SELECT object, id, seq, around, first_at, tries FROM hint WHERE workspace = $1 AND connection = $2 AND not_before <= $3 ORDER BY first_at LIMIT CAST($4 AS BIGINT)";
pub(super) const HINT_DONE: &str =
    "DELETE FROM hint WHERE workspace = $1 AND connection = $2 AND object = $3 AND id = $4 AND seq = $5";
pub(super) const HINT_LATER: &str = "UPDATE hint SET tries = tries + 1, not_before = $6 WHERE workspace = $1 AND connection = $2 AND object = $3 AND id = $4 AND seq = $5";
pub(super) const FORGET_HOOK_EVENTS: &str = "DELETE FROM hook_event WHERE workspace = $1 AND heard_at < $2";
pub(super) const UNDECIDED_LEADS: &str =
    "SELECT lead FROM undecided WHERE workspace = $1 ORDER BY lead LIMIT CAST($2 AS BIGINT)";
pub(super) const DECIDED: &str = "DELETE FROM undecided WHERE workspace = $1 AND lead IN ({IN})";
pub(super) const RESOLVE_ONE: &str =
    "UPDATE finding SET resolved_at = $4 WHERE workspace = $1 AND kind = $2 AND subject = $3 AND resolved_at IS NULL";
pub(super) const FINDING_STANDS: &str =
    "SELECT first_at FROM finding WHERE workspace = $1 AND kind = $2 AND subject = $3 AND resolved_at IS NULL";
pub(super) const EVIDENCE_WAITING: &str = "SELECT COUNT(*) FROM lead WHERE workspace = $1 AND evidence_at <= $2";
pub(super) const CREDENTIAL_ROW: Insert = Insert {
    head: "INSERT INTO credential (workspace, connection, body, saved_at)",
    columns: 4,
    tail: "ON CONFLICT (workspace, connection) DO UPDATE SET body = excluded.body, saved_at = excluded.saved_at",
};

// SQLite knows nothing of how many rows a value has, and every key begins with the workspace, which all rows have. So
// that it does not walk through a whole table: `CROSS JOIN` is joined in the order in which it stands, and a partial index
// is only used by a statement that repeats its condition, word for word. `by_index.rs` holds the statements to it.

pub(super) const PEOPLE: &str =
    "SELECT string_agg(body, '\n') FROM person WHERE workspace = $1 AND connection = $2 AND id IN ({IN})";
pub(super) const PEOPLE_OF_LEADS: &str =
    "SELECT string_agg(body, '\n' ORDER BY lead, connection, id) FROM person WHERE workspace = $1 AND lead IN ({IN})";
pub(super) const LEADS_OF_PEOPLE: &str =
    "SELECT id, lead FROM person WHERE workspace = $1 AND connection = $2 AND id IN ({IN})";
pub(super) const LEADS_BY_KEY: &str =
    "SELECT value, lead FROM person_key WHERE workspace = $1 AND kind = $2 AND value IN ({IN})";
pub(super) const COMPANIES: &str =
    "SELECT string_agg(body, '\n') FROM company WHERE workspace = $1 AND connection = $2 AND id IN ({IN})";
pub(super) const TOUCHES_OF: &str = "SELECT string_agg(body, '\n') FROM touch WHERE workspace = $1 AND connection = $2 AND object = $3 AND id IN ({IN})";
pub(super) const TOUCHES_ON: &str = "SELECT string_agg(body, '\n' ORDER BY happened_at) FROM touch WHERE workspace = $1 AND connection = $2 AND happened_at >= $3 AND person IN ({IN})";
pub(super) const DELETE_TOUCHES: &str =
    "DELETE FROM touch WHERE workspace = $1 AND connection = $2 AND object = $3 AND id IN ({IN})";
pub(super) const DELETE_KEY: &str =
    "DELETE FROM person_key WHERE workspace = $1 AND kind = $2 AND value = $3 AND connection = $4 AND id = $5";
pub(super) const DELETE_BLOCKS: &str = "DELETE FROM alike WHERE workspace = $1 AND lead IN ({IN})";
pub(super) const BLOCK_SIZES: &str = "SELECT block FROM alike WHERE workspace = $1 AND block IN ({IN}) GROUP BY block HAVING COUNT(*) > 1 AND COUNT(*) <= $2";
pub(super) const IN_BLOCKS: &str =
    "SELECT block, lead FROM alike WHERE workspace = $1 AND block IN ({IN}) ORDER BY block, lead";
pub(super) const PAIRS_OF: &str = "SELECT lead, other FROM review WHERE workspace = $1 AND lead IN ({IN})";
pub(super) const PAIRS_WITH: &str = "SELECT lead, other FROM review WHERE workspace = $1 AND other IN ({IN})";
pub(super) const DELETE_PAIR: &str = "DELETE FROM review WHERE workspace = $1 AND lead = $2 AND other = $3";
/// A pair that a person has said something of is no question any more, whatever the last comparison found.
pub(super) const PAIRS: &str = "SELECT r.lead, l.name, l.email, r.other, o.name, o.email, r.evidence, r.first_at FROM review AS r JOIN lead AS l ON l.workspace = r.workspace AND l.id = r.lead JOIN lead AS o ON o.workspace = r.workspace AND o.id = r.other WHERE r.workspace = $1 AND l.merged_into IS NULL AND o.merged_into IS NULL AND NOT EXISTS (SELECT 1 FROM person AS p CROSS JOIN apart AS a CROSS JOIN person AS q WHERE a.workspace = p.workspace AND a.connection = p.connection AND a.id = p.id AND q.workspace = a.workspace AND q.connection = a.other_connection AND q.id = a.other_id AND p.workspace = r.workspace AND p.lead = r.lead AND q.lead = r.other) ORDER BY r.first_at, r.lead, r.other LIMIT CAST($2 AS BIGINT)";
pub(super) const PAIRS_COUNT: &str = "SELECT COUNT(*) FROM review AS r JOIN lead AS l ON l.workspace = r.workspace AND l.id = r.lead JOIN lead AS o ON o.workspace = r.workspace AND o.id = r.other WHERE r.workspace = $1 AND l.merged_into IS NULL AND o.merged_into IS NULL AND NOT EXISTS (SELECT 1 FROM person AS p CROSS JOIN apart AS a CROSS JOIN person AS q WHERE a.workspace = p.workspace AND a.connection = p.connection AND a.id = p.id AND q.workspace = a.workspace AND q.connection = a.other_connection AND q.id = a.other_id AND p.workspace = r.workspace AND p.lead = r.lead AND q.lead = r.other)";
pub(super) const DEALS: &str =
    "SELECT string_agg(body, '\n') FROM deal WHERE workspace = $1 AND connection = $2 AND id IN ({IN})";
pub(super) const DELETE_DEAL_PEOPLE: &str =
    "DELETE FROM deal_person WHERE workspace = $1 AND connection = $2 AND deal IN ({IN})";
pub(super) const DEALS_OF_LEAD: &str = "SELECT DISTINCT d.connection, d.id, d.body FROM person AS p CROSS JOIN deal_person AS dp CROSS JOIN deal AS d WHERE dp.workspace = p.workspace AND dp.connection = p.connection AND dp.person = p.id AND d.workspace = dp.workspace AND d.connection = dp.connection AND d.id = dp.deal AND p.workspace = $1 AND p.lead = $2 ORDER BY d.connection, d.id";
pub(super) const OPEN_DEALS_OF_LEADS: &str = "SELECT DISTINCT p.lead, d.connection, d.id FROM person AS p CROSS JOIN deal_person AS dp CROSS JOIN deal AS d WHERE dp.workspace = p.workspace AND dp.connection = p.connection AND dp.person = p.id AND d.workspace = dp.workspace AND d.connection = dp.connection AND d.id = dp.deal AND p.workspace = $1 AND d.state = 'open' AND p.lead IN ({IN})";
/// Deals that name the company, and those of people whose lead has a record at it: a CRM that knows no company records has
/// deals of people alone.
pub(super) const OPEN_DEALS_OF_COMPANY: &str = "SELECT COUNT(*) FROM (SELECT d.connection, d.id FROM deal AS d WHERE d.workspace = $1 AND d.connection = $2 AND d.company = $3 AND d.state = 'open' UNION SELECT d.connection, d.id FROM person AS c CROSS JOIN person AS p CROSS JOIN deal_person AS dp CROSS JOIN deal AS d WHERE p.workspace = c.workspace AND p.lead = c.lead AND dp.workspace = p.workspace AND dp.connection = p.connection AND dp.person = p.id AND d.workspace = dp.workspace AND d.connection = dp.connection AND d.id = dp.deal AND c.workspace = $1 AND c.connection = $2 AND c.company = $3 AND d.state = 'open') AS open_deals";
pub(super) const ENGAGED_OF_COMPANY: &str = "SELECT COUNT(DISTINCT l.id) FROM person AS c JOIN lead AS l ON l.workspace = c.workspace AND l.id = c.lead WHERE c.workspace = $1 AND c.connection = $2 AND c.company = $3 AND l.merged_into IS NULL AND l.stage IN ('engagement', 'mql', 'sal', 'sql', 'proposal', 'negotiation', 'won')";
pub(super) const APART_OF_LEADS: &str = "SELECT p.lead, a.other_connection, a.other_id FROM person AS p CROSS JOIN apart AS a WHERE a.workspace = p.workspace AND a.connection = p.connection AND a.id = p.id AND p.workspace = $1 AND p.lead IN ({IN}) ORDER BY p.lead, a.other_connection, a.other_id";
pub(super) const APART_SAID: &str = "SELECT a.connection, a.id, a.other_connection, a.other_id, a.said_by, a.said_at FROM person AS p CROSS JOIN apart AS a WHERE a.workspace = p.workspace AND a.connection = p.connection AND a.id = p.id AND p.workspace = $1 AND p.lead = $2 ORDER BY a.said_at, a.connection, a.id, a.other_connection, a.other_id";
pub(super) const APART_ANY: &str = "SELECT said_at FROM apart WHERE workspace = $1 LIMIT 1";
pub(super) const DELETE_APART: &str = "DELETE FROM apart WHERE workspace = $1 AND connection = $2 AND id = $3 AND other_connection = $4 AND other_id = $5";
pub(super) const LEADS: &str = "SELECT id, version, stage, stage_since, name, email, owner, look_at, evidence_at, body FROM lead WHERE workspace = $1 AND id IN ({IN})";
pub(super) const VERSIONS: &str = "SELECT id, version FROM lead WHERE workspace = $1 AND id IN ({IN})";
pub(super) const HANDOFFS: &str =
    "SELECT string_agg(body, '\n' ORDER BY lead, number) FROM handoff WHERE workspace = $1 AND lead IN ({IN})";
pub(super) const RECEIPTS: &str =
    "SELECT lead, handoff, op, state, settled_at FROM outbox WHERE workspace = $1 AND lead IN ({IN})";
/// Each part is cut by itself: the first of all are among the first of either, and a backlog is not sorted whole for each
/// batch of it.
pub(super) const LEADS_DUE: &str = "SELECT id FROM (SELECT id, due FROM (SELECT id, look_at AS due FROM lead WHERE workspace = $1 AND look_at <= $2 ORDER BY look_at LIMIT CAST($4 AS BIGINT)) AS looked UNION SELECT id, due FROM (SELECT id, evidence_at AS due FROM lead WHERE workspace = $1 AND evidence_at < $3 AND evidence_at <= $2 ORDER BY evidence_at LIMIT CAST($4 AS BIGINT)) AS awaited) AS ready GROUP BY id ORDER BY MIN(due), id LIMIT CAST($4 AS BIGINT)";
pub(super) const LEADS_AFTER: &str = "SELECT string_agg(CAST(lead AS TEXT), ' ') FROM (SELECT DISTINCT lead FROM person WHERE workspace = $1 AND lead > $2 ORDER BY lead LIMIT CAST($3 AS BIGINT)) AS next";
/// Of leads, too: one whose records were all forgotten keeps its number.
pub(super) const LAST_LEAD: &str = "SELECT MAX(number) FROM (SELECT MAX(lead) AS number FROM person WHERE workspace = $1 UNION ALL SELECT MAX(id) AS number FROM lead WHERE workspace = $1) AS given";
pub(super) const LAST_EVENT: &str = "SELECT MAX(seq) FROM event WHERE workspace = $1";
pub(super) const LAST_EFFECT: &str = "SELECT MAX(seq) FROM outbox WHERE workspace = $1";
pub(super) const STREAMS: &str = "SELECT connection, stream, cursor_text, covered_until, read_at, error FROM stream WHERE workspace = $1 ORDER BY connection, stream";
pub(super) const USERS: &str = "SELECT connection, id, body FROM crm_user WHERE workspace = $1";
/// The newest write of each kind to the leads of these people that took effect, or may have.
pub(super) const WRITTEN_TO: &str = "SELECT p.id, o.body FROM person AS p JOIN outbox AS o ON o.workspace = p.workspace AND o.lead = p.lead WHERE p.workspace = $1 AND p.connection = $2 AND p.id IN ({IN}) AND o.connection = $2 AND o.effect IN ('owner', 'stage', 'score') AND o.state IN ('done', 'sending', 'unknown') AND o.body <> '' AND o.seq = (SELECT MAX(n.seq) FROM outbox AS n WHERE n.workspace = o.workspace AND n.lead = o.lead AND n.connection = $2 AND n.effect = o.effect AND n.state IN ('done', 'sending', 'unknown'))";
pub(super) const TEAMS: &str = "SELECT body FROM team WHERE workspace = $1";
pub(super) const TEAM_VERSION: &str = "SELECT version FROM team WHERE workspace = $1 AND team = $2";
pub(super) const OPEN_LOADS: &str = "SELECT owner, COUNT(*) FROM handoff WHERE workspace = $1 AND state <> 'closed' AND is_shadow <> 1 AND owner IS NOT NULL GROUP BY owner";
pub(super) const RECHECK: &str = "UPDATE lead SET version = version + 1, look_at = CASE WHEN look_at IS NULL OR look_at > $2 THEN $2 ELSE look_at END WHERE workspace = $1 AND id IN ({IN})";
pub(super) const CANCEL_OWNERS: &str = "UPDATE outbox SET state = 'cancelled', settled_at = $4, message = $5 WHERE workspace = $1 AND lead = $2 AND handoff = $3 AND connection <> '' AND effect = 'owner' AND state IN ('pending', 'held') AND doubt = 0 RETURNING op";
pub(super) const CANCEL: &str = "UPDATE outbox SET state = 'cancelled', settled_at = $4, message = $5 WHERE workspace = $1 AND lead = $2 AND handoff = $3 AND connection <> '' AND state IN ('pending', 'held') AND doubt = 0 AND created_at < $4 RETURNING op";
pub(super) const RESOLVE: &str = "UPDATE finding SET resolved_at = $2 WHERE workspace = $1 AND resolved_at IS NULL AND last_at < $2 AND lead IN ({IN})";
pub(super) const RESOLVE_SUBJECTS: &str = "UPDATE finding SET resolved_at = $2 WHERE workspace = $1 AND kind = $3 AND resolved_at IS NULL AND last_at < $2 AND subject IN ({IN})";
pub(super) const RESOLVE_PARTS: &str = "UPDATE finding SET resolved_at = $2 WHERE workspace = $1 AND kind = $3 AND resolved_at IS NULL AND last_at < $2 AND substr(subject, 1, length($4)) = $4";
pub(super) const RESOLVE_UNSEEN: &str = "UPDATE finding SET resolved_at = $2 WHERE workspace = $1 AND kind IN ('unmapped', 'undecodable') AND lead IS NULL AND resolved_at IS NULL AND last_at < $3";
pub(super) const META_DROP: &str = "DELETE FROM meta WHERE workspace = $1 AND name = $2";
pub(super) const CREDENTIAL: &str = "SELECT body FROM credential WHERE workspace = $1 AND connection = $2";
pub(super) const CREDENTIALS: &str = "SELECT connection, body FROM credential WHERE workspace = $1";
pub(super) const CREDENTIAL_SEALED: &str = "UPDATE credential SET body = $3 WHERE workspace = $1 AND connection = $2";
pub(super) const META_VALUE: &str = "SELECT value FROM meta WHERE workspace = $1 AND name = $2";

pub(super) const CLAIM_WRITES: &str = "UPDATE outbox SET doubt = CASE WHEN state = 'pending' THEN doubt ELSE 1 END, state = 'sending', attempt = attempt + 1, tries = tries + 1, lease_until = $4 WHERE workspace = $1 AND op IN (SELECT ready.op FROM outbox AS ready WHERE ready.workspace = $1 AND ready.connection = $2 AND ready.channel = '' AND ready.state IN ('pending', 'sending', 'unknown') AND ((ready.state IN ('pending', 'unknown') AND ready.not_before <= $3) OR (ready.state = 'sending' AND ready.lease_until < $3)) AND NOT EXISTS (SELECT 1 FROM outbox AS earlier WHERE earlier.workspace = $1 AND earlier.connection = $2 AND earlier.channel = '' AND earlier.lead = ready.lead AND earlier.seq < ready.seq AND ((earlier.state IN ('pending', 'sending', 'unknown') AND (earlier.lane <= ready.lane OR earlier.effect = 'create' OR ready.effect = 'create')) OR (earlier.state = 'held' AND earlier.effect = 'create'))) ORDER BY ready.lane, ready.seq LIMIT CAST($5 AS BIGINT)) RETURNING op, attempt, doubt, body, seq, tries, sent_at, looked_at, was";
pub(super) const CLAIM_NOTICES: &str = "UPDATE outbox SET doubt = CASE WHEN state = 'sending' THEN doubt + 1 ELSE doubt END, state = 'sending', attempt = attempt + 1, tries = tries + 1, lease_until = $4 WHERE workspace = $1 AND op IN (SELECT ready.op FROM outbox AS ready WHERE ready.workspace = $1 AND ready.connection = '' AND ready.channel = $2 AND ready.state IN ('pending', 'sending', 'unknown') AND ((ready.state IN ('pending', 'unknown') AND ready.not_before <= $3 AND ready.held_until <= $6) OR (ready.state = 'sending' AND ready.lease_until < $3)) ORDER BY ready.lane, ready.seq LIMIT CAST($5 AS BIGINT)) RETURNING op, attempt, doubt, body, seq, tries";
pub(super) const CHANNELS_WAITING: &str = "SELECT channel, COUNT(*) FROM outbox WHERE workspace = $1 AND connection = '' AND state IN ('pending', 'sending', 'unknown') AND ((state IN ('pending', 'unknown') AND not_before <= $2 AND held_until <= $3) OR (state = 'sending' AND lease_until < $2)) GROUP BY channel ORDER BY channel";
pub(super) const HOLD: &str = "UPDATE outbox SET held_until = $3 WHERE workspace = $1 AND connection = '' AND state IN ('pending', 'sending', 'unknown') AND channel = $2 AND state IN ('pending', 'unknown') AND held_until < $3 AND effect NOT IN ({IN})";
pub(super) const QUIET_COUNT: &str = "SELECT COUNT(*) FROM outbox WHERE workspace = $1 AND connection = '' AND state IN ('pending', 'sending', 'unknown') AND state IN ('pending', 'unknown') AND held_until > $2";
pub(super) const CHANNELS_PROVED: &str = "SELECT channel, effect, MAX(settled_at) FROM outbox WHERE workspace = $1 AND connection <= '' AND state = 'done' GROUP BY channel, effect";
/// What each row is about to replace, when it was looked and when it leaves, while it is ours.
pub(super) const KEEP: Insert = Insert {
    head: "WITH kept (workspace, op, attempt, was, looked_at, sent_at) AS (",
    columns: 6,
    tail: ") UPDATE outbox SET was = kept.was, looked_at = kept.looked_at, sent_at = kept.sent_at, sent_by = kept.attempt FROM kept WHERE outbox.workspace = kept.workspace AND outbox.op = kept.op AND outbox.attempt = kept.attempt AND outbox.state = 'sending' RETURNING op",
};
/// What became of each row is a row itself; every row that was settled is returned. A try that provably had no effect says nothing of
/// what an earlier one may still do.
pub(super) const SETTLE: Insert = Insert {
    head: "WITH told (workspace, op, attempt, state, settled_at, not_before, message, uncounted, doubt, made, was) AS (",
    columns: 11,
    tail: ") UPDATE outbox SET state = told.state, settled_at = told.settled_at, not_before = told.not_before, message = told.message, tries = outbox.tries - told.uncounted, doubt = told.doubt, made = told.made, was = CASE WHEN told.state IN ('done', 'unknown') THEN COALESCE(told.was, outbox.was) WHEN told.state = 'pending' AND outbox.sent_by <> outbox.attempt THEN outbox.was ELSE NULL END, sent_at = CASE WHEN told.state = 'unknown' OR (told.state = 'pending' AND outbox.sent_by <> outbox.attempt) THEN outbox.sent_at ELSE NULL END FROM told WHERE outbox.workspace = told.workspace AND outbox.op = told.op AND outbox.attempt = told.attempt AND outbox.state = 'sending' RETURNING op",
};
pub(super) const DOUBT: &str = "UPDATE outbox SET state = 'unknown', doubt = doubt + 1, not_before = $2, message = $3 WHERE workspace = $1 AND state = 'sending'";
pub(super) const PRUNE_EFFECTS: &str = "UPDATE outbox SET body = '' WHERE workspace = $1 AND op IN (SELECT old.op FROM outbox AS old WHERE old.workspace = $1 AND old.state IN ('done', 'cancelled') AND old.settled_at < $2 AND old.body <> '' LIMIT 500) RETURNING seq";
pub(super) const PRUNE_EVENTS: &str = "UPDATE event SET body = '' WHERE workspace = $1 AND seq > $3 AND seq <= $3 + 500 AND decided_at < $2 AND body <> '' RETURNING seq";
pub(super) const PRUNE_JOURNAL: &str = "UPDATE journal SET body = '' WHERE workspace = $1 AND seq > $3 AND seq <= $3 + 500 AND decided_at < $2 AND body <> '' RETURNING seq";
pub(super) const PRUNE_FINDINGS: &str = "DELETE FROM finding WHERE workspace = $1 AND resolved_at < $2";
pub(super) const TOUCH_WINDOW: &str = "SELECT connection, person, object, id, happened_at FROM touch WHERE workspace = $1 AND (connection, person, object, id) > ($2, $3, $4, $5) ORDER BY connection, person, object, id LIMIT 2000";
pub(super) const PERSON_WINDOW: &str = "SELECT connection, id, CASE WHEN body LIKE '%\"presence\":{\"gone\"%' THEN body ELSE '' END FROM person WHERE workspace = $1 AND (connection, id) > ($2, $3) ORDER BY connection, id LIMIT 2000";
pub(super) const FORGET_RECORD: &str = "DELETE FROM person WHERE workspace = $1 AND connection = $2 AND id IN ({IN})";
pub(super) const FORGET_KEYS: &str = "DELETE FROM person_key WHERE workspace = $1 AND connection = $2 AND id IN ({IN})";
pub(super) const FORGET_TOUCHES: &str =
    "DELETE FROM touch WHERE workspace = $1 AND connection = $2 AND person IN ({IN})";
pub(super) const UNNAME_LEADS: &str = "UPDATE lead SET version = version + 1, name = NULL, email = NULL, look_at = NULL, evidence_at = NULL, committee = NULL, roles = NULL, engaged_at = NULL WHERE workspace = $1 AND id IN ({IN}) AND NOT EXISTS (SELECT 1 FROM person WHERE person.workspace = lead.workspace AND person.lead = lead.id)";
pub(super) const FORGET_OPEN: &str = "UPDATE outbox SET state = 'cancelled', settled_at = $2, message = $3 WHERE workspace = $1 AND state IN ('pending', 'held', 'unknown', 'sending') AND lead IN ({IN}) RETURNING op";
pub(super) const FORGET_BODIES: &str = "UPDATE outbox SET body = '', was = NULL, message = CASE WHEN message = $2 THEN message ELSE NULL END WHERE workspace = $1 AND (body <> '' OR was IS NOT NULL OR message IS NOT NULL) AND lead IN ({IN}) RETURNING op";
pub(super) const FORGET_FINDINGS: &str = "DELETE FROM finding WHERE workspace = $1 AND lead IN ({IN})";
pub(super) const FORGET_PAIRS: &str = "DELETE FROM review WHERE workspace = $1 AND (lead IN ({IN}) OR other IN ({IN}))";
pub(super) const FORGET_APART: &str = "DELETE FROM apart WHERE workspace = $1 AND ((connection = $2 AND id IN ({IN})) OR (other_connection = $2 AND other_id IN ({IN})))";
pub(super) const FORGET_HINTS: &str =
    "DELETE FROM hint WHERE workspace = $1 AND connection = $2 AND object = 'person' AND id IN ({IN})";
pub(super) const DEALS_OF_PEOPLE: &str = "SELECT string_agg(body, '\n') FROM deal WHERE workspace = $1 AND connection = $2 AND id IN (SELECT dp.deal FROM deal_person AS dp WHERE dp.workspace = $1 AND dp.connection = $2 AND dp.person IN ({IN}))";
pub(super) const DEALS_LIKE: &str = "SELECT string_agg(body, '\n') FROM deal WHERE workspace = $1 AND body LIKE $2";
pub(super) const FORGET_SECRETS: &str = "DELETE FROM person_secret WHERE workspace = $1 AND lead IN ({IN})";
pub(super) const MARKS: &str = "SELECT mark FROM forgotten WHERE workspace = $1";
pub(super) const MARKS_SEEN: &str = "UPDATE forgotten SET seen_at = $2 WHERE workspace = $1 AND mark IN ({IN})";
pub(super) const MARK_COUNTS: &str =
    "SELECT COUNT(*), SUM(CASE WHEN seen_at IS NULL THEN 0 ELSE 1 END) FROM forgotten WHERE workspace = $1";
pub(super) const MERGED_INTO: &str = "SELECT id FROM lead WHERE workspace = $1 AND merged_into = $3 UNION SELECT lead FROM handoff WHERE workspace = $1 AND state = 'closed' AND body LIKE $2";
pub(super) const HURRY: &str =
    "UPDATE outbox SET not_before = 0 WHERE workspace = $1 AND state IN ('pending', 'unknown')";
pub(super) const CHANNELS_TRIED: &str = "SELECT channel, MAX(created_at) FROM outbox WHERE workspace = $1 AND connection <= '' AND effect = $2 GROUP BY channel";

pub(super) const UNREAD_STREAMS: &str = "UPDATE stream SET read_at = NULL WHERE workspace = $1";
pub(super) const STREAMS_UNREAD: &str = "SELECT COUNT(*) FROM stream WHERE workspace = $1 AND read_at IS NULL";
pub(super) const DOUBT_WAITING: &str =
    "UPDATE outbox SET state = 'unknown', doubt = doubt + 1 WHERE workspace = $1 AND state = 'pending'";
pub(super) const RESOLVE_KIND: &str =
    "UPDATE finding SET resolved_at = $2 WHERE workspace = $1 AND kind = $3 AND resolved_at IS NULL";
pub(super) const AUDIT_LAST: &str = "SELECT seq, hash FROM audit WHERE workspace = $1 ORDER BY seq DESC LIMIT 1";
pub(super) const AUDIT_LINKS: &str = "SELECT seq, chained_at, content, previous, hash FROM audit WHERE workspace = $1 AND seq > $2 ORDER BY seq LIMIT CAST($3 AS BIGINT)";
pub(super) const AUDIT_EVENTS: &str = "SELECT seq, lead, happened_at, decided_at, body, digest, NULL FROM event WHERE workspace = $1 AND seq > $2 AND seq <= $3 ORDER BY seq";
pub(super) const AUDIT_JOURNAL: &str = "SELECT seq, lead, decided_at, decided_at, body, digest, result FROM journal WHERE workspace = $1 AND seq > $2 AND seq <= $3 ORDER BY seq";
pub(super) const AUDIT_EFFECTS: &str = "SELECT op, seq, lead, handoff, connection, channel, lane, effect, created_at, body, digest, state, settled_at, message FROM outbox WHERE workspace = $1 AND op > $2 ORDER BY op LIMIT CAST($3 AS BIGINT)";
pub(super) const SEQS_OF_EFFECTS: &str = "SELECT seq FROM outbox WHERE workspace = $1 AND op IN ({IN})";
pub(super) const POLICIES: &str = "SELECT digest, kind, body FROM policy WHERE workspace = $1";
pub(super) const POLICY_KEPT: &str = "SELECT digest FROM policy WHERE workspace = $1 AND digest IN ({IN})";
pub(super) const SECRETS: &str = "SELECT lead, secret FROM person_secret WHERE workspace = $1 AND lead IN ({IN})";
pub(super) const LAST_DECISION: &str = "SELECT MAX(seq) FROM journal WHERE workspace = $1";
pub(super) const DECISIONS: &str = "SELECT j.seq, j.lead, j.decided_at, j.body, j.result, s.secret FROM journal AS j LEFT JOIN person_secret AS s ON s.workspace = j.workspace AND s.lead = j.lead WHERE j.workspace = $1 AND j.seq > $2 AND j.decided_at >= $3 ORDER BY j.seq LIMIT CAST($4 AS BIGINT)";
pub(super) const DECISIONS_OF: &str = "SELECT j.seq, j.lead, j.decided_at, j.body, j.result, s.secret FROM journal AS j LEFT JOIN person_secret AS s ON s.workspace = j.workspace AND s.lead = j.lead WHERE j.workspace = $1 AND j.seq > $2 AND j.decided_at >= $3 AND j.lead = $5 ORDER BY j.seq LIMIT CAST($4 AS BIGINT)";

pub(super) const OPEN_HANDOFFS: &str = "SELECT h.body, l.name, l.email, l.stage, l.body FROM handoff AS h JOIN lead AS l ON l.workspace = h.workspace AND l.id = h.lead WHERE h.workspace = $1 AND h.state <> 'closed' ORDER BY h.due_at IS NULL, h.due_at, h.lead LIMIT CAST($2 AS BIGINT)";
pub(super) const HANDOFFS_AFTER: &str = "SELECT h.body, l.name, l.email, l.stage, l.body FROM handoff AS h JOIN lead AS l ON l.workspace = h.workspace AND l.id = h.lead WHERE h.workspace = $1 AND (h.lead, h.number) > ($2, $3) ORDER BY h.lead, h.number LIMIT CAST($4 AS BIGINT)";
pub(super) const OPEN_COUNT: &str = "SELECT COUNT(*), COALESCE(SUM(CASE WHEN is_shadow > 0 THEN 1 ELSE 0 END), 0) FROM handoff WHERE workspace = $1 AND state <> 'closed'";
pub(super) const EVENTS_RECENT: &str = "SELECT e.seq, e.lead, e.body, l.name, e.decided_at FROM event AS e LEFT JOIN lead AS l ON l.workspace = e.workspace AND l.id = e.lead WHERE e.workspace = $1 AND e.seq > $2 AND e.body <> '' ORDER BY e.seq DESC LIMIT CAST($3 AS BIGINT)";
pub(super) const EVENTS_OF_LEAD: &str = "SELECT seq, body, decided_at FROM event WHERE workspace = $1 AND lead = $2 AND body <> '' ORDER BY happened_at, seq";
pub(super) const EFFECTS_OF_LEAD: &str = "SELECT op, connection, channel, effect, state, attempt, created_at, settled_at, message, lead, doubt, held_until, hold FROM outbox WHERE workspace = $1 AND lead = $2 ORDER BY seq";
pub(super) const EFFECTS_DEAD: &str = "SELECT op, connection, channel, effect, state, attempt, created_at, settled_at, message, lead, doubt, held_until, hold FROM outbox WHERE workspace = $1 AND state = 'dead' ORDER BY settled_at DESC LIMIT CAST($2 AS BIGINT)";
pub(super) const EFFECTS_NAMED: &str = "SELECT op, connection, channel, effect, state, attempt, created_at, settled_at, message, lead, doubt, held_until, hold FROM outbox WHERE workspace = $1 AND op >= $2 AND op < $3 ORDER BY op LIMIT CAST($4 AS BIGINT)";
pub(super) const EFFECTS_IN: &str = "SELECT op, connection, channel, effect, state, attempt, created_at, settled_at, message, lead, doubt, held_until, hold FROM outbox WHERE workspace = $1 AND state IN ({IN}) ORDER BY seq DESC LIMIT CAST($2 AS BIGINT)";
pub(super) const RETRY: &str = "UPDATE outbox SET state = CASE WHEN doubt > 0 AND connection <> '' THEN 'unknown' ELSE 'pending' END, not_before = 0, tries = 0, settled_at = NULL, message = NULL WHERE workspace = $1 AND op = $2 AND state = 'dead' AND body <> ''";
pub(super) const DISCARD: &str = "UPDATE outbox SET state = 'cancelled', settled_at = $3, message = $4 WHERE workspace = $1 AND op = $2 AND state IN ('pending', 'unknown', 'dead', 'held')";
pub(super) const EFFECT: &str = "SELECT op, connection, channel, effect, state, attempt, created_at, settled_at, message, lead, doubt, held_until, hold FROM outbox WHERE workspace = $1 AND op = $2";
pub(super) const EFFECT_STATES: &str = "SELECT state, COUNT(*) FROM outbox WHERE workspace = $1 GROUP BY state";
pub(super) const POSSIBLE_REPEATS: &str = "SELECT COUNT(*) FROM outbox WHERE workspace = $1 AND connection = '' AND doubt > 0 AND (doubt > 1 OR (doubt > 0 AND state = 'done'))";
pub(super) const STAGE_COUNTS: &str =
    "SELECT stage, COUNT(*) FROM lead WHERE workspace = $1 AND merged_into IS NULL GROUP BY stage";
/// What is said alike of many leads is one row, and what is about no lead comes first: a hundred leads without an owner hide
/// no dead token.
pub(super) const FINDINGS_OPEN: &str = "SELECT kind, MIN(subject), text, MIN(first_at), MAX(last_at), COUNT(*) - 1 FROM finding WHERE workspace = $1 AND resolved_at IS NULL GROUP BY kind, text, CASE WHEN lead IS NULL THEN subject ELSE '' END ORDER BY COUNT(lead) > 0, MAX(last_at) DESC, kind, text, MIN(subject) LIMIT CAST($2 AS BIGINT)";
pub(super) const FINDINGS_OF_LEAD: &str = "SELECT kind, subject, text, first_at, last_at, 0 FROM finding WHERE workspace = $1 AND lead = $2 AND resolved_at IS NULL ORDER BY first_at";
pub(super) const LEAD_BY_EMAIL: &str =
    "SELECT lead FROM person_key WHERE workspace = $1 AND kind = 'email' AND value = $2 ORDER BY lead LIMIT 1";
pub(super) const LEAD_BY_REMOTE: &str = "SELECT lead FROM person WHERE workspace = $1 AND connection = $2 AND id = $3";
pub(super) const JOURNEY: &str =
    "SELECT string_agg(body, '\n') FROM person WHERE workspace = $1 AND connection = $2 AND lead IN ({IN})";
pub(super) const DUE_SOON: &str = "SELECT p.body FROM handoff AS h CROSS JOIN person AS p WHERE p.workspace = h.workspace AND p.lead = h.lead AND h.workspace = $1 AND h.state <> 'closed' AND h.state = 'open' AND h.due_at <= $2 AND p.connection = $3 ORDER BY h.due_at LIMIT CAST($4 AS BIGINT)";
/// The sum keeps SQLite from looking for every record behind `$3` once for each hand-off.
pub(super) const ALL_OPEN_PEOPLE: &str = "SELECT p.body FROM handoff AS h CROSS JOIN person AS p WHERE p.workspace = h.workspace AND p.lead = h.lead + 0 AND h.workspace = $1 AND h.state = 'open' AND p.connection = $2 AND h.lead > $3 ORDER BY h.lead LIMIT CAST($4 AS BIGINT)";
/// Bodies say what became of a record: `"presence":null` is there still. Quotes inside a value are escaped, so that no value can
/// look like it.
pub(super) const PEOPLE_LIVE: &str = "SELECT COUNT(*) FROM (SELECT id FROM person WHERE workspace = $1 AND connection = $2 AND body NOT LIKE '%\"presence\":{%' LIMIT CAST($3 AS BIGINT)) AS live";

pub(super) const HELD: &str = "SELECT op, created_at, hold, body FROM outbox WHERE workspace = $1 AND state = 'held' AND connection <> '' AND hold NOT LIKE 'paused:%' ORDER BY lead, seq LIMIT CAST($2 AS BIGINT)";
pub(super) const HELD_OF: &str = "SELECT op, created_at, hold, body FROM outbox WHERE workspace = $1 AND state = 'held' AND connection <> '' AND op IN ({IN})";
pub(super) const HELD_COUNTS: &str = "SELECT connection, hold, COUNT(*), COUNT(DISTINCT lead) FROM outbox WHERE workspace = $1 AND state = 'held' AND connection <> '' GROUP BY connection, hold ORDER BY connection, hold";
pub(super) const OUTBOX_OF: &str = "SELECT op, state, body FROM outbox WHERE workspace = $1 AND op IN ({IN})";
pub(super) const RELEASE: &str = "UPDATE outbox SET state = 'pending', hold = NULL, approved = 1, proposal = $2, not_before = 0 WHERE workspace = $1 AND state = 'held' AND op IN ({IN}) RETURNING op";
pub(super) const SUPERSEDE: &str = "UPDATE outbox SET state = 'superseded', settled_at = $2, message = $3 WHERE workspace = $1 AND state = 'held' AND op IN ({IN}) RETURNING op";
pub(super) const DISCARD_HELD: &str = "UPDATE outbox SET state = 'cancelled', settled_at = $2, message = $3 WHERE workspace = $1 AND state = 'held' AND op IN ({IN}) RETURNING lead, op";
pub(super) const CAP_SENT: &str = "SELECT COUNT(*), COALESCE(SUM(takes), 0) FROM outbox WHERE workspace = $1 AND connection = $2 AND state = 'done' AND settled_at > $3 AND lane > 0 AND approved = 0";
/// The list of states stands as in the index, which is used only then.
pub(super) const CAP_WAITING: &str = "SELECT COUNT(*), COALESCE(SUM(takes), 0) FROM outbox WHERE workspace = $1 AND connection = $2 AND channel = '' AND state IN ('pending', 'sending', 'unknown') AND state = 'pending' AND doubt = 0 AND lane > 0 AND approved = 0";
pub(super) const CAP_HOLD: &str = "UPDATE outbox SET state = 'held', hold = 'cap', message = NULL WHERE workspace = $1 AND op IN (SELECT over.op FROM outbox AS over WHERE over.workspace = $1 AND over.connection = $2 AND over.channel = '' AND over.state IN ('pending', 'sending', 'unknown') AND over.state = 'pending' AND over.doubt = 0 AND over.lane > 0 AND over.approved = 0 AND over.takes >= $3 ORDER BY over.lane, over.seq LIMIT CAST($4 AS BIGINT) OFFSET $5)";
pub(super) const PROPOSAL_OF: &str =
    "SELECT id, made_at, body FROM proposal WHERE workspace = $1 AND id LIKE $2 ORDER BY made_at DESC LIMIT 2";
pub(super) const PROPOSALS_OLD: &str = "DELETE FROM proposal WHERE workspace = $1 AND made_at < $2";
pub(super) const HOLD_TEAM: &str = "UPDATE outbox SET state = 'held', hold = $2 WHERE workspace = $1 AND state = 'pending' AND doubt = 0 AND lead IN (SELECT h.lead FROM handoff AS h WHERE h.workspace = $1 AND h.state <> 'closed' AND h.owner IN ({IN})) RETURNING op";
pub(super) const UNHOLD_TEAM: &str = "UPDATE outbox SET state = CASE WHEN connection = '' THEN 'pending' ELSE $3 END, hold = CASE WHEN connection = '' THEN NULL ELSE $4 END, not_before = 0 WHERE workspace = $1 AND state = 'held' AND hold = $2";
pub(super) const DONE_OF: &str = "SELECT op, body, settled_at, made, was FROM outbox WHERE workspace = $1 AND state = 'done' AND connection <> '' AND op IN ({IN})";
pub(super) const DONE_BY: &str = "SELECT op, body, settled_at, made, was FROM outbox WHERE workspace = $1 AND state = 'done' AND connection <> '' AND proposal = $2 ORDER BY seq LIMIT CAST($3 AS BIGINT)";
pub(super) const DONE_ALL: &str = "SELECT op, body, settled_at, made, was FROM outbox WHERE workspace = $1 AND state = 'done' AND connection <> '' AND body <> '' ORDER BY seq DESC LIMIT CAST($2 AS BIGINT)";
pub(super) const RECHECK_OWNED: &str = "UPDATE lead SET version = version + 1, look_at = $2 WHERE workspace = $1 AND id IN (SELECT h.lead FROM handoff AS h WHERE h.workspace = $1 AND h.state <> 'closed' AND h.owner IN ({IN})) RETURNING id";
pub(super) const RECHECK_OPEN: &str = "UPDATE lead SET version = version + 1, look_at = $2 WHERE workspace = $1 AND id IN (SELECT h.lead FROM handoff AS h WHERE h.workspace = $1 AND h.state <> 'closed')";

#[cfg(test)]
mod tests {
    use super::super::statement::ROW_SIZES;
    use super::*;

    #[test]
    fn statements_stay_below_the_parameters_that_sqlite_takes() {
        for insert in [
            PERSON,
            PERSON_KEY,
            COMPANY,
            TOUCH,
            USER,
            STREAM,
            LEAD,
            HANDOFF,
            EVENT,
            OUTBOX,
            TEAM,
            FINDING,
            META,
            APART,
            DEAL,
            DEAL_PERSON,
            ALIKE,
            REVIEW,
            JOURNAL,
            PROPOSAL,
            COLLEAGUE,
            ROUND,
            REPAIR,
            HOOK_EVENT,
            HINT,
            UNDECIDED,
        ] {
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
