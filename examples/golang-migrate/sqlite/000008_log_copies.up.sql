CREATE TABLE book_events (
  id integer PRIMARY KEY AUTOINCREMENT,
  book_id integer NOT NULL,
  message varchar(200) NOT NULL
);
CREATE TRIGGER books_log_copies AFTER UPDATE ON books FOR EACH ROW WHEN NEW.copies <> OLD.copies
BEGIN
  INSERT INTO book_events (book_id, message) VALUES (NEW.id, 'copies; before: ' || OLD.copies || ', now: ' || NEW.copies);
END;
