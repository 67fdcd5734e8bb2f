// Command sqlmigrate is the real sql-migrate on SQLite, with a driver that needs no C compiler and that
// writes times as the one of sql-migrate's own program does. It knows the verbs up and status; status names
// each file that is still to be applied.
//
//	sqlmigrate up|status DATABASE FOLDER
package main

import (
	"database/sql"
	"errors"
	"fmt"
	"os"

	migrate "github.com/rubenv/sql-migrate"
	_ "modernc.org/sqlite"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "sqlmigrate:", err)
		os.Exit(1)
	}
}

func run(args []string) (err error) {
	if len(args) != 3 {
		return fmt.Errorf("want up|status DATABASE FOLDER, got %d arguments", len(args))
	}
	db, err := sql.Open("sqlite", "file:"+args[1]+"?_time_format=sqlite")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	files := migrate.FileMigrationSource{Dir: args[2]}
	if args[0] == "up" {
		_, err = migrate.Exec(db, "sqlite3", files, migrate.Up)
		return err
	}
	pending, _, err := migrate.PlanMigration(db, "sqlite3", files, migrate.Up, 0)
	for _, m := range pending {
		fmt.Println("pending", m.Id)
	}
	return err
}
