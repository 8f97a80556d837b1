-- Webhooks: who is told of which ends, and how far each telling has come.

CREATE TABLE scriptorium.webhook (
    outcome text NOT NULL, -- completed, failed, cancelled, deleted
    endpoint text NOT NULL,
    PRIMARY KEY (outcome, endpoint)
);

-- Until now nobody told those of kind 0 to anybody; from now on each is for one endpoint. tried_since:
-- the end, or when an operator had it told again.
DELETE FROM scriptorium.outbox WHERE kind = 0;
DELETE FROM scriptorium.setting WHERE key = 'outbox.webhook';
ALTER TABLE scriptorium.outbox ADD COLUMN endpoint text, ADD COLUMN tried_since timestamptz;
CREATE INDEX outbox_waiting ON scriptorium.outbox (endpoint, due_at) WHERE kind = 0 AND state = 0;
CREATE INDEX outbox_over ON scriptorium.outbox (done_at) WHERE kind = 0 AND state <> 0;
CREATE INDEX outbox_id ON scriptorium.outbox (id);
DROP FUNCTION IF EXISTS scriptorium.hooks_check(text, text, text, boolean);
