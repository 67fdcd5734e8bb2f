package story

import (
	"encoding/json"
	"os"
	"testing"
)

// hardCode makes the application's data source ignore DATABASE_URL: it names another database, which is healthy.
func (a *app) hardCode(t *testing.T) (database, everything string) {
	t.Helper()
	database, address := a.newDatabase(t)
	if r := a.run(t, a.env("DATABASE_URL="+address), "node", "start.js"); r.code != 0 {
		t.Fatalf("start.js on an empty database: exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	literal, err := json.Marshal(address)
	if err != nil {
		t.Fatal(err)
	}
	a.edit(t, "data-source.js", "options(process.env.DATABASE_URL, entities)", "options("+string(literal)+", entities)")
	return database, a.everything(t, database)
}

// unchanged checks that a refusal touched nothing.
func (a *app) unchanged(t *testing.T, database, everything string) {
	t.Helper()
	if d := difference(everything, a.everything(t, database)); d != "" {
		t.Errorf("database %s is not what it was: %s", database, d)
	}
	if left := a.beside(t, database); len(left) > 0 {
		t.Errorf("databases left over: %v", left)
	}
}

// TestIgnoredURL rebuilds with a bootstrap that connects to another database than the one it is given.
func TestIgnoredURL(t *testing.T) {
	one(t, "mariadb", func(t *testing.T, engine string) {
		a, was := broken(t, engine)
		other, content := a.hardCode(t)
		a.refuses(t, a.env(), []string{"rebuild", "--yes"}, 4, "bootstrap", "still empty", "DATABASE_URL", "hint: the database is as it was")
		a.unchanged(t, other, content)
		a.unchanged(t, a.database, was.everything)
	})
}

// TestHardCodedDataSource rebuilds with a data source that names another database: mulligan leads TypeORM to its
// own all the same.
func TestHardCodedDataSource(t *testing.T) {
	one(t, "mysql", func(t *testing.T, engine string) {
		a, was := broken(t, engine)
		other, content := a.hardCode(t)
		a.edit(t, "bootstrap.js", "const { dataSource } = require('./data-source')",
			"const { DataSource } = require('typeorm')\nconst { options } = require('./data-source')\n"+
				"const dataSource = new DataSource(options(process.env.DATABASE_URL, () => []))")
		a.rebuild(t)
		a.checkRows(t, was)
		a.checkReport(t)
		a.unchanged(t, other, content)
	})
}

// TestNoNode rebuilds where node is not in PATH.
func TestNoNode(t *testing.T) {
	one(t, "postgres", func(t *testing.T, engine string) {
		a, was := broken(t, engine)
		for _, command := range [][]string{{"rebuild", "--plan"}, {"rebuild", "--yes"}} {
			a.refuses(t, a.env("PATH="+t.TempDir()), command, 4, `program "node" is not there`, "install Node.js")
		}
		a.unchanged(t, a.database, was.everything)
	})
}

// TestNoPackages rebuilds where nobody has run npm install.
func TestNoPackages(t *testing.T) {
	one(t, "mariadb", func(t *testing.T, engine string) {
		a, was := broken(t, engine)
		if err := os.Remove(a.folder + "/node_modules"); err != nil {
			t.Fatal(err)
		}
		for _, command := range [][]string{{"rebuild", "--plan"}, {"rebuild", "--yes"}} {
			a.refuses(t, a.env(), command, 4, "package typeorm is not installed", "run npm install")
		}
		a.unchanged(t, a.database, was.everything)
	})
}
