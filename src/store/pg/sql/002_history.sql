-- What happened, for people: calls of the function endpoint and the log of jobs; both bounded. And
-- for whom a running job was claimed.

-- A row counts while the queue still has the job under this fence.
CREATE TABLE scriptorium.label (
    job_id uuid NOT NULL PRIMARY KEY,
    fence bigint NOT NULL,
    label text NOT NULL
);

CREATE TABLE scriptorium.invocation (
    n bigint NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id uuid NOT NULL UNIQUE,
    at timestamptz NOT NULL,
    duration bigint NOT NULL, -- microseconds
    status integer NOT NULL,
    processed integer NOT NULL,
    succeeded integer NOT NULL,
    failed integer NOT NULL,
    settled boolean NOT NULL,
    caller text,
    label text,
    worker text,
    version text,
    error text
);

CREATE TABLE scriptorium.log (
    n bigint NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    job_id uuid,
    invocation uuid,
    level text NOT NULL,
    event text NOT NULL,
    message text NOT NULL,
    details text,
    worker text
);
CREATE INDEX log_job ON scriptorium.log (job_id, n) WHERE job_id IS NOT NULL;
CREATE INDEX log_invocation ON scriptorium.log (invocation, n) WHERE invocation IS NOT NULL;
