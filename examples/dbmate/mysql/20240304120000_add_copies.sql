-- migrate:up
ALTER TABLE books ADD COLUMN copies integer NOT NULL DEFAULT 1;

-- migrate:down
ALTER TABLE books DROP COLUMN copies;
