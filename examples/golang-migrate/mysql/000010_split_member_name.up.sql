ALTER TABLE members ADD COLUMN first_name varchar(120) NOT NULL DEFAULT '';
ALTER TABLE members ADD COLUMN last_name varchar(120);
-- A name of one word has no last name.
UPDATE members SET first_name = substring_index(full_name, ' ', 1), last_name = nullif(substring(full_name, locate(' ', full_name) + 1), full_name);
ALTER TABLE members DROP COLUMN full_name;
