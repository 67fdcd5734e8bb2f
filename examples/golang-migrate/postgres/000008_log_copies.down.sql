DROP TRIGGER books_log_copies ON books;
DROP FUNCTION log_copies();
DROP TABLE book_events;
