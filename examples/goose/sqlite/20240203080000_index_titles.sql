-- +goose Up
CREATE INDEX idx_books_title ON books (title);

-- +goose Down
DROP INDEX idx_books_title;
