-- Versions of the pipeline: what jobs are made by. Version 0 is the one built into the program and has no
-- row; the setting "deployment" names the active one.
CREATE TABLE scriptorium_deployment (
    version INTEGER PRIMARY KEY AUTOINCREMENT,
    hash TEXT NOT NULL UNIQUE, -- of the files
    name TEXT NOT NULL,
    content TEXT NOT NULL, -- the files, as JSON
    made_at INTEGER NOT NULL,
    made_by TEXT,
    program TEXT, -- that checked it
    note TEXT,
    replaced INTEGER NOT NULL -- the version that was active before it
) STRICT;

-- With which version a job began, and with which one a worker begins jobs. NULL: none.
ALTER TABLE scriptorium_queue ADD COLUMN version INTEGER;
ALTER TABLE scriptorium_worker ADD COLUMN version INTEGER;
