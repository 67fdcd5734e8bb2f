ALTER TABLE members ADD COLUMN first_name varchar(120) NOT NULL DEFAULT '';
ALTER TABLE members ADD COLUMN last_name varchar(120);
-- A name of one word has no last name.
UPDATE members SET first_name = substr(full_name, 1, instr(full_name || ' ', ' ') - 1), last_name = nullif(substr(full_name, instr(full_name, ' ') + 1), full_name);
ALTER TABLE members DROP COLUMN full_name;
