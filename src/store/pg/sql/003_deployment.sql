-- Versions of the pipeline: what jobs are made by. Version 0 is the one built into the program and has no
-- row; the setting "deployment" names the active one.
CREATE TABLE scriptorium.deployment (
    version integer NOT NULL PRIMARY KEY,
    hash text NOT NULL UNIQUE, -- of the files
    name text NOT NULL,
    content text NOT NULL, -- the files, as JSON
    made_at timestamptz NOT NULL,
    made_by text,
    program text, -- that checked it
    note text,
    replaced integer NOT NULL -- the version that was active before it
);

-- With which version a job began, and with which one a worker begins jobs. NULL: none.
ALTER TABLE scriptorium.queue ADD COLUMN version integer;
ALTER TABLE scriptorium.worker ADD COLUMN version integer;
