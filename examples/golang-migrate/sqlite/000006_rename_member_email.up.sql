ALTER TABLE members RENAME COLUMN email TO contact_email;
