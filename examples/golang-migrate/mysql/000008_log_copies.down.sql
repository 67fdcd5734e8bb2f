DROP TRIGGER books_log_copies;
DROP TABLE book_events;
