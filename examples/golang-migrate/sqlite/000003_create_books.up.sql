CREATE TABLE authors (
  id integer PRIMARY KEY AUTOINCREMENT,
  name varchar(120) NOT NULL
);
CREATE TABLE books (
  id integer PRIMARY KEY AUTOINCREMENT,
  author_id integer,
  title varchar(200) NOT NULL,
  price numeric,
  published integer,
  CONSTRAINT fk_books_author FOREIGN KEY (author_id) REFERENCES authors (id) ON DELETE SET NULL
);
