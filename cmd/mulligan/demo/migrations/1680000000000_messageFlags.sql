-- migrate:up
ALTER TABLE messages ADD COLUMN flags INTEGER NOT NULL DEFAULT 0;

-- migrate:down
ALTER TABLE messages DROP COLUMN flags;
