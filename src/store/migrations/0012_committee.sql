-- Where each lead sits among the people of its company, as its last decision saw it: in which committee, in which roles, and
-- what engaged it last. The body says the same; these are counted by, so that a company of thousands need not be read.
ALTER TABLE lead ADD COLUMN committee TEXT;
ALTER TABLE lead ADD COLUMN roles TEXT;
ALTER TABLE lead ADD COLUMN engaged_at BIGINT;
CREATE INDEX lead_committee ON lead (workspace, committee, roles, stage, engaged_at, id) WHERE committee IS NOT NULL;
