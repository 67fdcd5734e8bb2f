-- +goose Up
ALTER TABLE members RENAME COLUMN email TO contact_email;

-- +goose Down
ALTER TABLE members RENAME COLUMN contact_email TO email;
