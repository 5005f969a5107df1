-- A notice that falls into quiet hours waits for their end, by the domain's clock; other waits (not_before) run on real time.
ALTER TABLE outbox ADD COLUMN held_until BIGINT NOT NULL DEFAULT 0;
-- When did the last notice arrive at each channel?
CREATE INDEX outbox_notices ON outbox (workspace, channel, effect, settled_at) WHERE connection = '';
