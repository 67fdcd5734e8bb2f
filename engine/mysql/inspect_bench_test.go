package mysql_test

import (
	"fmt"
	"testing"

	"mulligan/internal/testdb"
)

// BenchmarkInspect reads a schema of 300 tables with six columns, two indexes and a foreign key each.
func BenchmarkInspect(b *testing.B) {
	for name, start := range map[string]func(testing.TB) *testdb.Server{"MariaDB": testdb.MariaDB, "MySQL": testdb.MySQL} {
		b.Run(name, func(b *testing.B) {
			var script []string
			for i := range 300 {
				script = append(script, fmt.Sprintf(`CREATE TABLE t%d (id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, up bigint, name varchar(100) NOT NULL DEFAULT 'x', n int, at datetime DEFAULT now(), note text,
					KEY (name), UNIQUE KEY (n, at), FOREIGN KEY (up) REFERENCES t%d (id))`, i, max(i-1, 0)))
			}
			_, db, _ := database(b, start(b), script...)
			for b.Loop() {
				if s := inspect(b, db); len(s.Tables) != 300 {
					b.Fatalf("%d tables", len(s.Tables))
				}
			}
		})
	}
}
