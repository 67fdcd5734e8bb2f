package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"mulligan/internal/testdb"
)

const blobIndex = "CREATE INDEX large_id ON large (id)"

const (
	blobRows = 3
	blobSize = 64 << 20 // bytes
)

// BenchmarkMemory looks at rows of 64 MiB of noise. The time is beside the point.
func BenchmarkMemory(b *testing.B) {
	packet := "--max-allowed-packet=192M"
	b.Run("Postgres", func(b *testing.B) {
		memoryOf(b, "PostgreSQL", testdb.NewPostgres(b, "-c", "max_wal_size=8GB"), "bytea", bars("x.b", "x.b", "x.b", "x.b"))
	})
	quarters := mysqlDialect().concat("x.b", "x.b", "x.b", "x.b")
	b.Run("MariaDB", func(b *testing.B) {
		memoryOf(b, "MariaDB", testdb.NewMariaDB(b, packet, "--innodb-log-file-size=1G"), "longblob", quarters)
	})
	b.Run("MySQL", func(b *testing.B) {
		memoryOf(b, "MySQL", testdb.NewMySQL(b, packet, "--innodb-redo-log-capacity=2G"), "longblob", quarters)
	})
	b.Run("SQLite", func(b *testing.B) {
		folder := b.TempDir()
		source, copied := filepath.Join(folder, "source.db"), filepath.Join(folder, "copy.db")
		table := blobTable("blob")
		list := append([]string{table, blobIndex}, ledger()...)
		for i := range blobRows {
			list = append(list, fmt.Sprintf("INSERT INTO large VALUES (%d, randomblob(%d))", i, blobSize))
		}
		fill(b, source, list...)
		largeRows(b, newSite(b, "sqlite:"+source, blobMigrations(b, table)), "SQLite", "sqlite:"+copied, func(b *testing.B) { remove(b, copied) })
	})
}

func memoryOf(b *testing.B, family string, server *testdb.Server, kind, quarters string) {
	name, url := server.NewDatabase(b)
	table := blobTable(kind)
	server.Exec(b, name, append([]string{table, blobIndex, "CREATE TABLE seed (b " + kind + ")"}, ledger()...)...)
	noise := make([]byte, blobSize/4)
	random, err := os.Open("/dev/urandom")
	if err == nil {
		_, err = random.Read(noise)
	}
	if err != nil {
		b.Fatal(err)
	}
	defer random.Close()
	insert := "INSERT INTO seed VALUES (?)"
	if server.Family == testdb.FamilyPostgres {
		insert = "INSERT INTO seed VALUES ($1)"
	}
	if _, err := server.Open(b, name).ExecContext(b.Context(), insert, noise); err != nil {
		b.Fatal(err)
	}
	for i := range blobRows {
		server.Exec(b, name, fmt.Sprintf("INSERT INTO large SELECT %d, %s FROM seed x", i, quarters))
	}
	server.Exec(b, name, "DROP TABLE seed")
	const copied = "bench_copy"
	drop := func(b *testing.B) { server.DropDatabase(b, copied) }
	largeRows(b, newSite(b, url, blobMigrations(b, table)), family, server.URL(copied), drop)
	if server.Family == testdb.FamilyMySQL { // whose server makes a certificate for itself
		const secure = "?tls=skip-verify"
		b.Run("Encrypted", func(b *testing.B) {
			largeRows(b, newSite(b, url+secure, blobMigrations(b, table)), family+", encrypted", server.URL(copied)+secure, drop)
		})
	}
}

func largeRows(b *testing.B, s *site, engine, into string, drop func(*testing.B)) {
	what := fmt.Sprintf(", %d rows of 64 MiB", blobRows)
	b.Run("Dump", func(b *testing.B) {
		for b.Loop() {
			compare(b, engine+": dump"+what, s.backup())
		}
	})
	b.Run("Restore", func(b *testing.B) {
		for b.Loop() {
			compare(b, engine+": restore"+what, s.restore(into, drop))
		}
	})
}

func blobTable(kind string) string {
	return "CREATE TABLE large (id integer NOT NULL PRIMARY KEY, body " + kind + ")"
}

func blobMigrations(b *testing.B, table string) (folder string) {
	b.Helper()
	folder = b.TempDir()
	for file, text := range map[string]string{"000001_large.up.sql": table + ";\n", "000002_index.up.sql": blobIndex + ";\n"} {
		if err := os.WriteFile(filepath.Join(folder, file), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	return folder
}
