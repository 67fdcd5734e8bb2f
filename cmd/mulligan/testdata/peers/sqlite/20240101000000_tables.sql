-- +goose Up
CREATE TABLE roles (id integer NOT NULL PRIMARY KEY, name varchar(20) NOT NULL);
CREATE TABLE users (
  id integer PRIMARY KEY AUTOINCREMENT,
  role_id integer NOT NULL REFERENCES roles (id),
  nick varchar(40) NOT NULL,
  legacy varchar(40),
  shout varchar(40) GENERATED ALWAYS AS (upper(nick)) STORED
);
CREATE TABLE keys (id integer NOT NULL PRIMARY KEY, user_id integer NOT NULL REFERENCES users (id), name varchar(40));
CREATE TABLE hens (id integer NOT NULL PRIMARY KEY, egg_id integer NOT NULL REFERENCES eggs (id) DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE eggs (id integer NOT NULL PRIMARY KEY, hen_id integer NOT NULL REFERENCES hens (id) DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE audit (id integer PRIMARY KEY AUTOINCREMENT, what varchar(80) NOT NULL);
-- +goose StatementBegin
CREATE TRIGGER users_note AFTER INSERT ON users FOR EACH ROW
BEGIN
  INSERT INTO audit (what) VALUES ('user ' || NEW.nick);
END;
-- +goose StatementEnd
