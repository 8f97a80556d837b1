-- The provider's limits, shared between all processes. What was told and refused, by rate class, and
-- who has which part of it for the next moments.

CREATE TABLE scriptorium.budget (
    rate_class text NOT NULL PRIMARY KEY,
    requests bigint NOT NULL DEFAULT 0, -- a minute, as for all of these; 0 = not known
    input bigint NOT NULL DEFAULT 0,
    output bigint NOT NULL DEFAULT 0,
    told_at timestamptz, -- by the provider; null = it is some process's setting
    frozen_until timestamptz[] NOT NULL DEFAULT '{NULL,NULL,NULL}', -- refused: one for each limit
    cut_at timestamptz -- somebody saw an overload
);

-- Rewritten each second by each process that makes calls: after a crash of the server it begins
-- empty, which is right, as parts last for seconds.
CREATE UNLOGGED TABLE scriptorium.budget_part (
    rate_class text NOT NULL,
    worker uuid NOT NULL,
    wanted bigint[] NOT NULL,
    part bigint[] NOT NULL, -- -1 = without a limit
    until timestamptz NOT NULL,
    PRIMARY KEY (rate_class, worker)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
