// Command dbmate is the real dbmate with the two drivers that need no C compiler.
// It knows one verb: migrate.
//
//	dbmate URL FOLDER
package main

import (
	"fmt"
	"net/url"
	"os"

	"github.com/amacneil/dbmate/v2/pkg/dbmate"
	_ "github.com/amacneil/dbmate/v2/pkg/driver/mysql"
	_ "github.com/amacneil/dbmate/v2/pkg/driver/postgres"
)

func main() {
	if err := migrate(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "dbmate:", err)
		os.Exit(1)
	}
}

func migrate(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("want URL FOLDER, got %d arguments", len(args))
	}
	u, err := url.Parse(args[0])
	if err != nil {
		return err
	}
	db := dbmate.New(u)
	db.MigrationsDir = []string{args[1]}
	db.AutoDumpSchema = false
	return db.Migrate()
}
