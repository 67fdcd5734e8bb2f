INSERT INTO roles (id, name) VALUES (1, 'reader'), (2, 'librarian'), (3, 'admin');
CREATE TABLE settings (
  name varchar(64) NOT NULL PRIMARY KEY,
  content varchar(200)
);
-- The values are defaults; a library changes them later.
INSERT INTO settings (name, content) VALUES ('loan_days', '21'), ('greeting', 'Welcome; please be quiet'), ('fine_per_day', NULL);
