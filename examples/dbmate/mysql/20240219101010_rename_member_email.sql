-- migrate:up
ALTER TABLE members RENAME COLUMN email TO contact_email;

-- migrate:down
ALTER TABLE members RENAME COLUMN contact_email TO email;
