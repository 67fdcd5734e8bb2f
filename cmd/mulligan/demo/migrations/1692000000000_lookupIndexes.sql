-- migrate:up
CREATE INDEX messages_channel ON messages (channel_id);
CREATE INDEX security_keys_user ON security_keys (user_id);

-- migrate:down
DROP INDEX security_keys_user;
DROP INDEX messages_channel;
