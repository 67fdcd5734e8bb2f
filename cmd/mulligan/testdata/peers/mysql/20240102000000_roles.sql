-- +goose Up
INSERT INTO roles (id, name) VALUES (1, 'reader'), (2, 'admin');
