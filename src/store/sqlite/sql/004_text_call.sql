-- Whose text it is: a call that starts over does not go on with what the one before it wrote.
ALTER TABLE scriptorium_text ADD COLUMN call TEXT;
