CREATE VIEW open_loans AS
  SELECT l.id, b.title, l.member_id, l.lent_on FROM loans l JOIN books b ON b.id = l.book_id WHERE l.returned_on IS NULL;
