ALTER TABLE members RENAME COLUMN contact_email TO email;
