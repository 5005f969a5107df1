-- What keeps the feeds honest: where the patrol stands, what it repaired, what webhooks asked to be looked at, and leads that
-- changed before decisions are taken again.
CREATE TABLE patrol (
  workspace TEXT NOT NULL, connection TEXT NOT NULL, stream TEXT NOT NULL,
  began_at BIGINT NOT NULL, next_id TEXT, seen BIGINT NOT NULL, expected BIGINT NOT NULL, gone BIGINT NOT NULL,
  whole_at BIGINT, halted_at BIGINT, why TEXT,
  PRIMARY KEY (workspace, connection, stream));

CREATE TABLE repair (
  workspace TEXT NOT NULL, connection TEXT NOT NULL, stream TEXT NOT NULL, cause TEXT NOT NULL,
  total BIGINT NOT NULL, last_at BIGINT NOT NULL, age_ms BIGINT NOT NULL, age_at BIGINT NOT NULL,
  PRIMARY KEY (workspace, connection, stream, cause));

CREATE TABLE hint (
  workspace TEXT NOT NULL, connection TEXT NOT NULL, object TEXT NOT NULL, id TEXT NOT NULL,
  seq BIGINT NOT NULL, around BIGINT NOT NULL, first_at BIGINT NOT NULL, tries BIGINT NOT NULL, not_before BIGINT NOT NULL,
  PRIMARY KEY (workspace, connection, object, id));
CREATE INDEX hint_order ON hint (workspace, connection, first_at);

CREATE TABLE hook_event (
  workspace TEXT NOT NULL, connection TEXT NOT NULL, event TEXT NOT NULL, heard_at BIGINT NOT NULL,
  PRIMARY KEY (workspace, connection, event));
CREATE INDEX hook_event_age ON hook_event (workspace, heard_at);

CREATE TABLE undecided (workspace TEXT NOT NULL, lead BIGINT NOT NULL, PRIMARY KEY (workspace, lead));
