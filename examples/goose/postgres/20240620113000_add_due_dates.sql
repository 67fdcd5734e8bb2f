-- +goose Up
ALTER TABLE loans ADD COLUMN due_on date;
UPDATE loans SET due_on = lent_on + 21;

-- +goose Down
ALTER TABLE loans DROP COLUMN due_on;
