DROP INDEX idx_books_title;
