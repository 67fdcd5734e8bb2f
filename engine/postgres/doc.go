// Package postgres is the PostgreSQL adapter of the engine port. [Connect] gives a server:
//
//	server, err := postgres.Connect(ctx, url)
//
// It is made for PostgreSQL 15 to 18. No superuser is needed where the role owns the tables and,
// to make databases, has CREATEDB. Rows leave by COPY, read off the connection through a buffer of
// fixed size, so that memory does not grow with the size of a row, and come back by COPY.
//
// Connections that carry rows all have the same session settings ([canonical] in session.go),
// so that a value has one text on every server; a [engine.Session], which runs migrations, keeps the
// server's own, since those are what the migration's author saw.
//
// # What Create leaves to others
//
// Extensions are not created. Migrations make them, and not all say IF NOT EXISTS; one that somebody once added by hand
// is a keepsake ([engine.Keeper]), as owners, grants, comments and publications are.
package postgres
