-- When the next claim looks at all that is due, from the very front; microseconds since 1970.
CREATE SEQUENCE scriptorium.sweep_due MINVALUE 0;
