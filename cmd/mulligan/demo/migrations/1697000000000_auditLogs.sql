-- migrate:up
CREATE TABLE audit_logs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  guild_id INTEGER NOT NULL REFERENCES guilds (id) ON DELETE CASCADE,
  event TEXT NOT NULL
);
INSERT INTO audit_logs (guild_id, event) SELECT id, 'audit log opened' FROM guilds;

-- migrate:down
DROP TABLE audit_logs;
