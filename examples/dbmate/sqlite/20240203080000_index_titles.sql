-- migrate:up
CREATE INDEX idx_books_title ON books (title);

-- migrate:down
DROP INDEX idx_books_title;
