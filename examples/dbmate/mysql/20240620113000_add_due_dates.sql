-- migrate:up
ALTER TABLE loans ADD COLUMN due_on date;
UPDATE loans SET due_on = lent_on + INTERVAL 21 DAY;

-- migrate:down
ALTER TABLE loans DROP COLUMN due_on;
