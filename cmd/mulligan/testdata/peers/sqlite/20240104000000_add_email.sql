-- +goose Up
ALTER TABLE users ADD COLUMN email varchar(40);
