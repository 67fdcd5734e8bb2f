ALTER TABLE members ADD COLUMN full_name varchar(120) NOT NULL DEFAULT '';
UPDATE members SET full_name = first_name || coalesce(' ' || last_name, '');
ALTER TABLE members DROP COLUMN last_name;
ALTER TABLE members DROP COLUMN first_name;
