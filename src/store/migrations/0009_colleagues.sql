-- Companies of which all people must be decided about again, since something that rules ask of their company changed; and how
-- far that has come. again: it changed once more meanwhile, so that another round follows this one.
CREATE TABLE colleague (
  workspace TEXT NOT NULL, connection TEXT NOT NULL, company TEXT NOT NULL,
  since BIGINT NOT NULL, done_to BIGINT NOT NULL, again BIGINT NOT NULL,
  PRIMARY KEY (workspace, connection, company));
CREATE INDEX colleague_order ON colleague (workspace, since);
