package postgres_test

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"

	"mulligan/engine"
	"mulligan/engine/enginetest"
	"mulligan/engine/postgres"
	"mulligan/internal/testdb"
)

func TestMain(m *testing.M) { testdb.Main(m) }

func connect(t testing.TB, text string) engine.Server {
	t.Helper()
	url, err := engine.ParseURL(text)
	if err != nil {
		t.Fatalf("url: %v", err)
	}
	s, err := postgres.Connect(context.Background(), url)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	return s
}

func newName(testing.TB) string { return "t " + strings.ToLower(rand.Text()[:12]) }

func TestConformance(t *testing.T) {
	server := testdb.Postgres(t)
	enginetest.Test(t, enginetest.Config{
		Connect: func(t testing.TB) engine.Server { return connect(t, server.URL("")) },
		NewName: newName,
	})
}
