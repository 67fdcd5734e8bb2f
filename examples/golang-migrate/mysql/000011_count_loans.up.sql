CREATE TABLE loan_counts (
  member_id integer NOT NULL PRIMARY KEY,
  loans integer NOT NULL,
  CONSTRAINT fk_loan_counts_member FOREIGN KEY (member_id) REFERENCES members (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO loan_counts (member_id, loans) SELECT member_id, count(*) FROM loans GROUP BY member_id;
