-- +goose Up
CREATE TABLE roles (
  id integer NOT NULL PRIMARY KEY,
  name varchar(32) NOT NULL UNIQUE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE TABLE members (
  id int NOT NULL AUTO_INCREMENT PRIMARY KEY,
  role_id integer NOT NULL,
  full_name varchar(120) NOT NULL,
  email varchar(190),
  joined_on date NOT NULL,
  CONSTRAINT fk_members_role FOREIGN KEY (role_id) REFERENCES roles (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- +goose Down
DROP TABLE members;
DROP TABLE roles;
