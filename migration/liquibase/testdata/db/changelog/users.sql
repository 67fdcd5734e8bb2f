--liquibase formatted sql

--changeset ann:create-users
--comment: the first table
CREATE TABLE users (id integer NOT NULL PRIMARY KEY, name varchar(200));
--rollback DROP TABLE users;

-- changeset ann:2 labels:"a, b" context:test
INSERT INTO users (id, name) VALUES (1, 'semicolon; and --comment');
INSERT INTO users (id, name) VALUES (2, 'two');

--changeset "Bob B.":"two words" splitStatements:false
ALTER TABLE users ADD COLUMN email varchar(200);
--changeset bob:4 runInTransaction:false
CREATE INDEX users_email ON users (email);
--ignoreLines:start
--changeset bob:never
this is nothing
--ignoreLines:end
--changeset bob:5 endDelimiter://
UPDATE users SET email = 'a@example.org' WHERE id = 1 //
UPDATE users SET email = 'b@example.org' WHERE id = 2
//
