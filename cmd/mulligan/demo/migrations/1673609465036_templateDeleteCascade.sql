-- migrate:up
CREATE TABLE templates_new (
  code TEXT PRIMARY KEY,
  source_guild_id INTEGER REFERENCES guilds (id) ON DELETE CASCADE
);
INSERT INTO templates_new SELECT code, source_guild_id FROM templates;
DROP TABLE templates;
ALTER TABLE templates_new RENAME TO templates;

-- migrate:down
