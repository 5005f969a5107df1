-- Effects that wait for a person, what a write replaced, and what was proposed to whom.
-- hold: why it waits ('plan', 'cap', 'rules', 'paused:TEAM'). approved: a person asked for it, so no cap counts it.
-- takes: it takes a record from somebody who has it. proposal: the plan by which it was released. made, was: the record it
-- made and the values it replaced, once it took effect.
ALTER TABLE outbox ADD COLUMN hold TEXT;
ALTER TABLE outbox ADD COLUMN approved BIGINT NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN takes BIGINT NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN proposal TEXT;
ALTER TABLE outbox ADD COLUMN made TEXT;
ALTER TABLE outbox ADD COLUMN was TEXT;
CREATE INDEX outbox_held ON outbox (workspace, connection, lead, seq) WHERE state = 'held';
CREATE INDEX outbox_done ON outbox (workspace, connection, settled_at) WHERE state = 'done';

CREATE TABLE proposal (
  workspace TEXT NOT NULL, id TEXT NOT NULL, made_at BIGINT NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (workspace, id));
