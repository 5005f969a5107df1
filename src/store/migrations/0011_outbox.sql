-- What is sent next is found in its order, and not sorted out of all that waits; what was sent within the hour is counted
-- from the index alone. Notices stand in the first lane, all of them.
CREATE INDEX outbox_ready ON outbox (workspace, connection, channel, lane, seq)
  WHERE state IN ('pending', 'sending', 'unknown');
DROP INDEX outbox_done;
CREATE INDEX outbox_done ON outbox (workspace, connection, settled_at, lane, approved, takes) WHERE state = 'done';
