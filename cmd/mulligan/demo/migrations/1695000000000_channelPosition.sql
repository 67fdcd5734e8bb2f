-- migrate:up
-- A data migration: each channel gets its place from the guild's list. On empty tables it does nothing,
-- and the order of every guild's channels is lost.
ALTER TABLE channels ADD COLUMN position INTEGER NOT NULL DEFAULT 0;
UPDATE channels SET position = (
  SELECT o.key FROM guilds g, json_each(g.channel_ordering) o WHERE g.id = channels.guild_id AND o.value = channels.id
);
ALTER TABLE guilds DROP COLUMN channel_ordering;

-- migrate:down
ALTER TABLE channels DROP COLUMN position;
