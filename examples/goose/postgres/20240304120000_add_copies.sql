-- +goose Up
ALTER TABLE books ADD COLUMN copies integer NOT NULL DEFAULT 1;

-- +goose Down
ALTER TABLE books DROP COLUMN copies;
