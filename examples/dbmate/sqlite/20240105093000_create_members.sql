-- migrate:up
CREATE TABLE roles (
  id integer NOT NULL PRIMARY KEY,
  name varchar(32) NOT NULL UNIQUE
);
CREATE TABLE members (
  id integer PRIMARY KEY AUTOINCREMENT,
  role_id integer NOT NULL,
  full_name varchar(120) NOT NULL,
  email varchar(190),
  joined_on date NOT NULL,
  CONSTRAINT fk_members_role FOREIGN KEY (role_id) REFERENCES roles (id)
);

-- migrate:down
DROP TABLE members;
DROP TABLE roles;
