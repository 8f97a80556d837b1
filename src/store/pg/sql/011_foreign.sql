-- When a program that is not ours last took a job, or ended one of ours; microseconds since 1970. A sequence:
-- clients that write rows do not wait for each other.
CREATE SEQUENCE scriptorium.foreign_at MINVALUE 0;
