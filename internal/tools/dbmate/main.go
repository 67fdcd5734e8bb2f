// Command dbmate is the real dbmate with the two drivers that need no C compiler.
// It knows the verbs migrate, and status, which exits with 1 where migrations are pending, as
// dbmate status --exit-code does.
//
//	dbmate URL FOLDER [status]
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
	if len(args) != 2 && len(args) != 3 {
		return fmt.Errorf("want URL FOLDER [status], got %d arguments", len(args))
	}
	u, err := url.Parse(args[0])
	if err != nil {
		return err
	}
	db := dbmate.New(u)
	db.MigrationsDir = []string{args[1]}
	db.AutoDumpSchema = false
	if len(args) == 2 {
		return db.Migrate()
	}
	pending, err := db.Status(false)
	if err == nil && pending > 0 {
		err = fmt.Errorf("%d pending", pending)
	}
	return err
}
