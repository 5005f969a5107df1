-- What can be proved: the hash chain, whole decisions under a key for each person, and who is forgotten.
CREATE TABLE audit (
  workspace TEXT NOT NULL, seq BIGINT NOT NULL, chained_at BIGINT NOT NULL, content TEXT NOT NULL,
  previous TEXT NOT NULL, hash TEXT NOT NULL,
  PRIMARY KEY (workspace, seq));

ALTER TABLE event ADD COLUMN digest TEXT;
ALTER TABLE outbox ADD COLUMN digest TEXT;

CREATE TABLE policy (
  workspace TEXT NOT NULL, digest TEXT NOT NULL, kind TEXT NOT NULL, kept_at BIGINT NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (workspace, digest));

CREATE TABLE journal (
  workspace TEXT NOT NULL, seq BIGINT NOT NULL, lead BIGINT NOT NULL, decided_at BIGINT NOT NULL,
  body TEXT NOT NULL, result TEXT NOT NULL, digest TEXT NOT NULL,
  PRIMARY KEY (workspace, seq));
CREATE INDEX journal_lead ON journal (workspace, lead);

CREATE TABLE person_secret (
  workspace TEXT NOT NULL, lead BIGINT NOT NULL, secret TEXT NOT NULL,
  PRIMARY KEY (workspace, lead));

CREATE TABLE forgotten (
  workspace TEXT NOT NULL, mark TEXT NOT NULL, forgotten_at BIGINT NOT NULL, seen_at BIGINT,
  PRIMARY KEY (workspace, mark));
