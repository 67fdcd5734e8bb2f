-- liquibase formatted sql logicalFilePath:posts.sql
-- changeset ann:1
CREATE TABLE posts (id integer NOT NULL PRIMARY KEY, author integer NOT NULL);
-- changeset ann:2 logicalFilePath:moved/posts.sql
ALTER TABLE posts ADD COLUMN title varchar(200);
