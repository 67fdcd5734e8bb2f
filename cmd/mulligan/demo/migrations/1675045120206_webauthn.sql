-- migrate:up
CREATE TABLE security_keys (
  id TEXT PRIMARY KEY,
  user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  key_id TEXT NOT NULL,
  public_key BLOB NOT NULL,
  counter INTEGER NOT NULL,
  name TEXT NOT NULL
);
ALTER TABLE users ADD COLUMN webauthn_enabled INTEGER NOT NULL DEFAULT 0;

-- migrate:down
DROP TABLE security_keys;
