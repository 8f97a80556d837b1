-- What each change of scale has replaced, so that it can be undone. Texts of the settings; null: was
-- not set. schedules: those that drive the workers, as they were.
CREATE TABLE scriptorium.scale_change (
    n bigint NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    workers text,
    concurrency text,
    schedules jsonb NOT NULL
);
