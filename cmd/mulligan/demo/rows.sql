-- A few thousand plausible rows.
WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 300)
INSERT INTO users (id, username, bio, settings, created_at, webauthn_enabled)
SELECT i, 'user' || i, CASE WHEN i % 3 = 0 THEN NULL WHEN i % 7 = 0 THEN 'tabs	and' || char(10) || 'lines, \N and 🦊' ELSE 'bio of ' || i END,
  json_object('theme', CASE WHEN i % 2 THEN 'dark' ELSE 'light' END, 'n', i), date('2023-01-01', '+' || i || ' days'), i % 4 = 0
FROM n;
WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 40)
INSERT INTO guilds (id, name, owner_id) SELECT i, 'guild ' || i || ' ✨', i * 7 FROM n;
WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 400)
INSERT INTO channels (id, guild_id, name) SELECT i, (i - 1) / 10 + 1, 'channel-' || i FROM n;
UPDATE guilds SET channel_ordering = (
  SELECT json_group_array(id) FROM (SELECT c.id FROM channels c WHERE c.guild_id = guilds.id ORDER BY (c.id * 37) % 101)
);
WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 4000)
INSERT INTO messages (id, channel_id, author_id, reply_to, content, flags)
SELECT i, i % 400 + 1, CASE WHEN i % 50 THEN i % 300 + 1 END, CASE WHEN i % 9 = 0 THEN i - 1 END, 'message ' || i || CASE WHEN i % 5 THEN '' ELSE ' 👍' END, i % 8
FROM n;
WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 30)
INSERT INTO templates SELECT 'tpl' || i, i FROM n;
WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 90)
INSERT INTO security_keys SELECT 'key' || i, i * 3, hex(i * 7919), CAST('raw' || char(0) || i AS BLOB), i, 'key of ' || i * 3 FROM n;
WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 200)
INSERT INTO sessions SELECT 'session' || i, i, '2024-01-01' FROM n;
