ALTER TABLE loans ADD COLUMN due_on date;
UPDATE loans SET due_on = lent_on + INTERVAL 21 DAY;
