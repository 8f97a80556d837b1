-- What happened, for people: calls of the function endpoint and the log of jobs; both bounded. And
-- for whom a running job was claimed.

-- A row counts while the queue still has the job under this fence.
CREATE TABLE scriptorium_label (
    job_id TEXT NOT NULL PRIMARY KEY,
    fence INTEGER NOT NULL,
    label TEXT NOT NULL
) WITHOUT ROWID, STRICT;

CREATE TABLE scriptorium_invocation (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    at INTEGER NOT NULL,
    duration INTEGER NOT NULL,
    status INTEGER NOT NULL,
    processed INTEGER NOT NULL,
    succeeded INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    settled INTEGER NOT NULL,
    caller TEXT,
    label TEXT,
    worker TEXT,
    version TEXT,
    error TEXT
) STRICT;

CREATE TABLE scriptorium_log (
    n INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    job_id TEXT,
    invocation TEXT,
    level TEXT NOT NULL,
    event TEXT NOT NULL,
    message TEXT NOT NULL,
    details TEXT,
    worker TEXT
) STRICT;
CREATE INDEX scriptorium_log_job ON scriptorium_log (job_id, n) WHERE job_id IS NOT NULL;
CREATE INDEX scriptorium_log_invocation ON scriptorium_log (invocation, n)
    WHERE invocation IS NOT NULL;
