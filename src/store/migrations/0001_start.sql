-- Conventions, so that one text serves SQLite and PostgreSQL: the workspace comes first in every key; instants are
-- milliseconds UTC in BIGINT; flags are 0 or 1 in BIGINT; bodies are JSON in TEXT, read by Baton alone.
CREATE TABLE meta (workspace TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (workspace, name));

CREATE TABLE person (
  workspace TEXT NOT NULL, connection TEXT NOT NULL, id TEXT NOT NULL,
  lead BIGINT NOT NULL, company TEXT, body TEXT NOT NULL,
  PRIMARY KEY (workspace, connection, id));
CREATE INDEX person_lead ON person (workspace, lead);
CREATE INDEX person_company ON person (workspace, connection, company) WHERE company IS NOT NULL;

CREATE TABLE person_key (
  workspace TEXT NOT NULL, kind TEXT NOT NULL, value TEXT NOT NULL, connection TEXT NOT NULL, id TEXT NOT NULL,
  lead BIGINT NOT NULL,
  PRIMARY KEY (workspace, kind, value, connection, id));

CREATE TABLE company (
  workspace TEXT NOT NULL, connection TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (workspace, connection, id));

CREATE TABLE touch (
  workspace TEXT NOT NULL, connection TEXT NOT NULL, person TEXT NOT NULL, object TEXT NOT NULL, id TEXT NOT NULL,
  happened_at BIGINT NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (workspace, connection, person, object, id));
CREATE INDEX touch_object ON touch (workspace, connection, object, id);

CREATE TABLE crm_user (
  workspace TEXT NOT NULL, connection TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (workspace, connection, id));

CREATE TABLE stream (
  workspace TEXT NOT NULL, connection TEXT NOT NULL, stream TEXT NOT NULL,
  cursor_text TEXT NOT NULL, covered_until BIGINT, read_at BIGINT, error TEXT,
  PRIMARY KEY (workspace, connection, stream));

CREATE TABLE lead (
  workspace TEXT NOT NULL, id BIGINT NOT NULL, version BIGINT NOT NULL,
  stage TEXT NOT NULL, stage_since BIGINT NOT NULL, name TEXT, email TEXT, owner TEXT,
  look_at BIGINT, evidence_at BIGINT, body TEXT NOT NULL,
  PRIMARY KEY (workspace, id));
CREATE INDEX lead_look ON lead (workspace, look_at) WHERE look_at IS NOT NULL;
CREATE INDEX lead_evidence ON lead (workspace, evidence_at) WHERE evidence_at IS NOT NULL;

CREATE TABLE handoff (
  workspace TEXT NOT NULL, lead BIGINT NOT NULL, number BIGINT NOT NULL,
  state TEXT NOT NULL, owner TEXT, due_at BIGINT, is_shadow BIGINT NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (workspace, lead, number));
CREATE INDEX handoff_open ON handoff (workspace, due_at) WHERE state <> 'closed';

CREATE TABLE event (
  workspace TEXT NOT NULL, seq BIGINT NOT NULL, lead BIGINT NOT NULL, happened_at BIGINT NOT NULL,
  decided_at BIGINT NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (workspace, seq));
CREATE INDEX event_lead ON event (workspace, lead);

CREATE TABLE outbox (
  workspace TEXT NOT NULL, op TEXT NOT NULL, seq BIGINT NOT NULL, lead BIGINT NOT NULL, handoff BIGINT NOT NULL,
  connection TEXT NOT NULL, channel TEXT NOT NULL, lane BIGINT NOT NULL, effect TEXT NOT NULL,
  state TEXT NOT NULL, attempt BIGINT NOT NULL, tries BIGINT NOT NULL DEFAULT 0, doubt BIGINT NOT NULL, not_before BIGINT NOT NULL,
  lease_until BIGINT NOT NULL, created_at BIGINT NOT NULL, settled_at BIGINT, message TEXT, body TEXT NOT NULL,
  PRIMARY KEY (workspace, op));
CREATE INDEX outbox_open ON outbox (workspace, connection, channel, lead, seq)
  WHERE state IN ('pending', 'sending', 'unknown');
CREATE INDEX outbox_lead ON outbox (workspace, lead);

CREATE TABLE team (
  workspace TEXT NOT NULL, team TEXT NOT NULL, version BIGINT NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (workspace, team));

CREATE TABLE finding (
  workspace TEXT NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL, lead BIGINT, text TEXT NOT NULL,
  first_at BIGINT NOT NULL, last_at BIGINT NOT NULL, resolved_at BIGINT,
  PRIMARY KEY (workspace, kind, subject));
CREATE INDEX finding_lead ON finding (workspace, lead) WHERE lead IS NOT NULL;
