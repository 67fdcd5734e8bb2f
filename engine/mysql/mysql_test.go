package mysql_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"mulligan/engine"
	"mulligan/engine/enginetest"
	"mulligan/engine/mysql"
	"mulligan/internal/testdb"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// each runs a test on a MariaDB and on a MySQL server.
func each(t *testing.T, test func(t *testing.T, server *testdb.Server)) {
	t.Helper()
	t.Run("MariaDB", func(t *testing.T) { test(t, testdb.MariaDB(t)) })
	t.Run("MySQL", func(t *testing.T) { test(t, testdb.MySQL(t)) })
}

func connectTo(t testing.TB, address string) engine.Server {
	t.Helper()
	u, err := engine.ParseURL(address)
	if err != nil {
		t.Fatal(err)
	}
	s, err := mysql.Connect(context.Background(), u)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	return s
}

func TestConformance(t *testing.T) {
	each(t, func(t *testing.T, server *testdb.Server) {
		t.Parallel() // each has its own server
		var last atomic.Int64
		enginetest.Test(t, enginetest.Config{
			Connect: func(t testing.TB) engine.Server { return connectTo(t, server.URL("")) },
			NewName: func(testing.TB) string { return fmt.Sprintf("conform_%d", last.Add(1)) },
		})
	})
}
