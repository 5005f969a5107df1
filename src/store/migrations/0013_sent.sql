-- When the request of a write left last, by real time, and when it was looked before, by the CRM's clock: what may still have its
-- effect is known so over a restart, and what a person chose since then. By which claim of the row: one that provably had no effect
-- takes back what it noted, and nothing that an earlier one did.
ALTER TABLE outbox ADD COLUMN sent_at BIGINT;
ALTER TABLE outbox ADD COLUMN looked_at BIGINT;
ALTER TABLE outbox ADD COLUMN sent_by INTEGER;
