-- What each change of scale has replaced, so that it can be undone. Texts of the settings; NULL: was
-- not set. schedules: those that drive the workers, as they were, JSON.
CREATE TABLE scriptorium_scale (
    n INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    workers TEXT,
    concurrency TEXT,
    schedules TEXT NOT NULL
) STRICT;
