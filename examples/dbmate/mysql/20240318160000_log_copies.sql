-- migrate:up
CREATE TABLE book_events (
  id int NOT NULL AUTO_INCREMENT PRIMARY KEY,
  book_id integer NOT NULL,
  message varchar(200) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE TRIGGER books_log_copies AFTER UPDATE ON books FOR EACH ROW
BEGIN
  IF NEW.copies <> OLD.copies THEN
    INSERT INTO book_events (book_id, message) VALUES (NEW.id, concat('copies; before: ', OLD.copies, ', now: ', NEW.copies));
  END IF;
END;

-- migrate:down
DROP TRIGGER books_log_copies;
DROP TABLE book_events;
