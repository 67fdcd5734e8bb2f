--liquibase formatted sql
--changeset eve:1
CREATE TABLE tags (id integer NOT NULL PRIMARY KEY);
--changeset eve:2
INSERT INTO tags VALUES (7);
