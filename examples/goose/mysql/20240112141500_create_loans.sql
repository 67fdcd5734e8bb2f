-- +goose Up
CREATE TABLE loans (
  id int NOT NULL AUTO_INCREMENT PRIMARY KEY,
  book_id integer NOT NULL,
  member_id integer NOT NULL,
  lent_on date NOT NULL,
  returned_on date,
  CONSTRAINT fk_loans_book FOREIGN KEY (book_id) REFERENCES books (id),
  CONSTRAINT fk_loans_member FOREIGN KEY (member_id) REFERENCES members (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE INDEX idx_loans_member ON loans (member_id, lent_on);
CREATE INDEX idx_loans_book ON loans (book_id);

-- +goose Down
DROP TABLE loans;
