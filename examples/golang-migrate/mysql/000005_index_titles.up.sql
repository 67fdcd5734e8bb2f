CREATE INDEX idx_books_title ON books (title);
