-- What the application makes on its first start, before any migration.
CREATE TABLE config (key TEXT PRIMARY KEY, value TEXT);
CREATE TABLE users (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  username TEXT NOT NULL,
  bio TEXT,
  settings TEXT NOT NULL DEFAULT '{}',
  created_at TEXT NOT NULL
);
CREATE TABLE guilds (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  owner_id INTEGER NOT NULL REFERENCES users (id),
  channel_ordering TEXT NOT NULL DEFAULT '[]'
);
CREATE TABLE channels (
  id INTEGER PRIMARY KEY,
  guild_id INTEGER NOT NULL REFERENCES guilds (id) ON DELETE CASCADE,
  name TEXT NOT NULL
);
CREATE TABLE messages (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  channel_id INTEGER NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
  author_id INTEGER REFERENCES users (id) ON DELETE SET NULL,
  reply_to INTEGER REFERENCES messages (id),
  content TEXT NOT NULL
);
CREATE TABLE templates (
  code TEXT PRIMARY KEY,
  source_guild_id INTEGER REFERENCES guilds (id)
);
CREATE TABLE sessions (id TEXT PRIMARY KEY, user_id INTEGER NOT NULL REFERENCES users (id), seen_at TEXT);
INSERT INTO config VALUES ('instance.name', 'demo'), ('instance.registration', 'open');
