-- +goose Up
CREATE TABLE roles (id integer NOT NULL PRIMARY KEY, name varchar(20) NOT NULL);
CREATE TABLE users (
  id integer NOT NULL AUTO_INCREMENT PRIMARY KEY,
  role_id integer NOT NULL,
  nick varchar(40) NOT NULL,
  legacy varchar(40),
  shout varchar(40) AS (upper(nick)) STORED,
  CONSTRAINT users_role FOREIGN KEY (role_id) REFERENCES roles (id)
);
CREATE TABLE `keys` (id integer NOT NULL PRIMARY KEY, user_id integer NOT NULL, name varchar(40), CONSTRAINT keys_user FOREIGN KEY (user_id) REFERENCES users (id));
CREATE TABLE hens (id integer NOT NULL PRIMARY KEY, egg_id integer NOT NULL);
CREATE TABLE eggs (id integer NOT NULL PRIMARY KEY, hen_id integer NOT NULL, CONSTRAINT eggs_hen FOREIGN KEY (hen_id) REFERENCES hens (id));
ALTER TABLE hens ADD CONSTRAINT hens_egg FOREIGN KEY (egg_id) REFERENCES eggs (id);
CREATE TABLE audit (id integer NOT NULL AUTO_INCREMENT PRIMARY KEY, what varchar(80) NOT NULL);
CREATE TRIGGER users_note AFTER INSERT ON users FOR EACH ROW INSERT INTO audit (what) VALUES (concat('user ', NEW.nick));
