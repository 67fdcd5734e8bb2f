package doctor_test

import (
	"errors"
	"strings"
	"testing"

	"mulligan/doctor"
	"mulligan/engine"
	"mulligan/internal/testengine"
)

// A shadow server that is the live database's own, under another name of the host, is no other server: a migration that
// names the live database would reach it there, too.
func TestOwnServerByAnotherName(t *testing.T) {
	s := newSite(t, testengine.MariaDB)
	name := s.db.URL.Database()
	s.write("7_reach.sql", "CREATE TABLE "+s.db.Family().Ident(name)+".reached (id integer PRIMARY KEY);")
	src := s.source()
	var err error
	if src.ShadowURL, err = engine.ParseURL(strings.Replace(s.db.URL.Reveal(), "127.0.0.1", "localhost", 1)); err != nil {
		t.Fatal(err)
	}
	if src.ShadowURL.Host() == s.db.URL.Host() {
		t.Fatalf("both are called %s", src.ShadowURL.Host())
	}
	src.Shadow = s.db.Server
	before := s.content()
	if _, err := doctor.Run(t.Context(), src, nil); !errors.Is(err, doctor.ErrOutside) || !strings.Contains(err.Error(), "7_reach.sql") {
		t.Errorf("Run: %v, want ErrOutside that names the file", err)
	}
	if s.content() != before {
		t.Error("the replay reached the live database")
	}
}
