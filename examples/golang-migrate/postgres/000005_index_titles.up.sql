CREATE INDEX CONCURRENTLY idx_books_title ON books (title);
