-- How many people of a connection were believed gone, less those who came back, by the hour: a drain that no single look shows
-- is seen over a day. Records hold the ledger of their score from here on.
CREATE TABLE vanished (
  workspace TEXT NOT NULL, connection TEXT NOT NULL, hour BIGINT NOT NULL, gone BIGINT NOT NULL,
  PRIMARY KEY (workspace, connection, hour));
