-- What would otherwise be counted again and again, however long the history: the jobs of the users' table,
-- the ledger, and which jobs have ended lately. tally.sql keeps the first two, and says how.

-- Rows that add up. minute: in which the jobs were created; -infinity: long before the row was written.
CREATE TABLE scriptorium.job_tally (
    status text NOT NULL,
    minute timestamptz NOT NULL,
    jobs bigint NOT NULL,
    timed bigint NOT NULL, -- of these, with a processing time
    seconds numeric NOT NULL -- the sum of those times
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
        autovacuum_vacuum_cost_delay = 0);

CREATE TABLE scriptorium.call_tally (
    calls bigint NOT NULL,
    estimated bigint NOT NULL,
    input bigint NOT NULL,
    output bigint NOT NULL,
    cache_read bigint NOT NULL,
    cache_write_5m bigint NOT NULL,
    cache_write_1h bigint NOT NULL,
    cost bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
        autovacuum_vacuum_cost_delay = 0);

-- Jobs whose run has ended, whoever ended it, for an hour.
CREATE TABLE scriptorium.ended (
    ended_at timestamptz NOT NULL,
    job_id uuid NOT NULL,
    user_id uuid NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 5000);
CREATE INDEX ended_at ON scriptorium.ended (ended_at);
