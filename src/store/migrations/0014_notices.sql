-- The same rows by other words. A statement that compares the column of an index's condition with a value, as `connection = $2` does,
-- is compiled anew by SQLite at each use, since the value may or may not be the condition's: that was every statement on the outbox,
-- and more than half of the time spent in SQLite.
DROP INDEX outbox_notices;
CREATE INDEX outbox_notices ON outbox (workspace, channel, effect, settled_at) WHERE connection <= '';
