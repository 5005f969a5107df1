-- Tokens of logins. The body is sealed where the settings name a key, else clear; it never leaves Baton otherwise.
CREATE TABLE credential (
  workspace TEXT NOT NULL, connection TEXT NOT NULL, body TEXT NOT NULL, saved_at BIGINT NOT NULL,
  PRIMARY KEY (workspace, connection));
