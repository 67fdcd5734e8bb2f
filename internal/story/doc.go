// Package story tests the story that mulligan was made for, with a real application: the TypeORM service of
// examples/typeorm-security-keys, with TypeORM 0.3.x and 1.x from npm, on MariaDB, MySQL and PostgreSQL.
//
// It holds tests alone. They do what the example's README tells a user to do, with the programs that the
// user has: the service itself, TypeORM's own command line, mulligan as it is built, and the servers' own
// dump programs as the witness of what is in a database.
//
// The npm packages are installed once for each version of TypeORM and package.json, into the folder
// story in the cache of [mulligan/internal/testdb]; another run needs no network.
package story
