-- Records that are not the same person, as a person said; each pair stands in both orders.
CREATE TABLE apart (
  workspace TEXT NOT NULL, connection TEXT NOT NULL, id TEXT NOT NULL,
  other_connection TEXT NOT NULL, other_id TEXT NOT NULL,
  said_by TEXT NOT NULL, said_at BIGINT NOT NULL,
  PRIMARY KEY (workspace, connection, id, other_connection, other_id));

-- The lead that this one was joined to; also in the body, here so that counts need not read it.
ALTER TABLE lead ADD COLUMN merged_into BIGINT;

CREATE TABLE deal (
  workspace TEXT NOT NULL, connection TEXT NOT NULL, id TEXT NOT NULL,
  company TEXT, state TEXT NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (workspace, connection, id));
CREATE INDEX deal_company ON deal (workspace, connection, company) WHERE company IS NOT NULL;

CREATE TABLE deal_person (
  workspace TEXT NOT NULL, connection TEXT NOT NULL, person TEXT NOT NULL, deal TEXT NOT NULL,
  PRIMARY KEY (workspace, connection, person, deal));
CREATE INDEX deal_person_deal ON deal_person (workspace, connection, deal);

-- The blocks within which leads are compared, and the pairs that look like one person. Worked out anew all the time.
CREATE TABLE alike (
  workspace TEXT NOT NULL, block TEXT NOT NULL, lead BIGINT NOT NULL,
  PRIMARY KEY (workspace, block, lead));
CREATE INDEX alike_lead ON alike (workspace, lead);

CREATE TABLE review (
  workspace TEXT NOT NULL, lead BIGINT NOT NULL, other BIGINT NOT NULL, evidence TEXT NOT NULL, first_at BIGINT NOT NULL,
  PRIMARY KEY (workspace, lead, other));
CREATE INDEX review_other ON review (workspace, other);
