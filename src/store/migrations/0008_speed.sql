-- What is asked all the time must not cost more the more leads, effects and deals there are.

-- How many hand-offs each person has open, without looking at the hand-offs themselves.
CREATE INDEX handoff_load ON handoff (workspace, owner, state, is_shadow)
  WHERE state <> 'closed' AND is_shadow <> 1 AND owner IS NOT NULL;

-- The leads of a company in their order, and the pairs with a lead, from the index alone.
DROP INDEX person_company;
CREATE INDEX person_company ON person (workspace, connection, company, lead) WHERE company IS NOT NULL;
DROP INDEX review_other;
CREATE INDEX review_other ON review (workspace, other, lead);

-- Effects that a screen shows although they are few among many.
CREATE INDEX outbox_dead ON outbox (workspace, settled_at) WHERE state = 'dead';
CREATE INDEX outbox_doubt ON outbox (workspace, connection, doubt, state) WHERE doubt > 0;
