package engine_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"mulligan/engine"
)

func TestParseURL(t *testing.T) {
	type parts struct {
		Family                           engine.Family
		User, Password, Host, Port, Name string
	}
	for text, want := range map[string]parts{
		"postgres://me:pw@db.example:5433/app?sslmode=require": {engine.Postgres, "me", "pw", "db.example", "5433", "app"},
		"postgresql://me@localhost/app":                        {engine.Postgres, "me", "", "localhost", "", "app"},
		"POSTGRES://localhost/app":                             {engine.Postgres, "", "", "localhost", "", "app"},
		"postgres:///app?host=/run/postgresql":                 {engine.Postgres, "", "", "", "", "app"},
		"postgres://me:p%40s%2Fs%3A@[::1]:5432/a%20b":          {engine.Postgres, "me", "p@s/s:", "::1", "5432", "a b"},
		"mysql://root:pw@127.0.0.1:3306/app":                   {engine.MySQL, "root", "pw", "127.0.0.1", "3306", "app"},
		"mariadb://root@/app?socket=/run/mysqld/mysqld.sock":   {engine.MariaDB, "root", "", "", "", "app"},
		"mysql://root@localhost":                               {engine.MySQL, "root", "", "localhost", "", ""},
		"postgres://localhost/user%40app":                      {engine.Postgres, "", "", "localhost", "", "user@app"},
		"sqlite:/data/app.db":                                  {engine.SQLite, "", "", "", "", "/data/app.db"},
		"sqlite:///data/app.db?mode=ro":                        {engine.SQLite, "", "", "", "", "/data/app.db"},
		"sqlite3:/data/a%20b%3F.db":                            {engine.SQLite, "", "", "", "", "/data/a b?.db"},
		"file:/data/app.db":                                    {engine.SQLite, "", "", "", "", "/data/app.db"},
		"/data/app.sqlite3":                                    {engine.SQLite, "", "", "", "", "/data/app.sqlite3"},
	} {
		t.Run(text, func(t *testing.T) {
			u, err := engine.ParseURL(text)
			if err != nil {
				t.Fatal(err)
			}
			password, _ := u.Password()
			got := parts{u.Family(), u.User(), password, u.Hostname(), u.Port(), u.Database()}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("parts (-want +got):\n%s", diff)
			}
			again, err := engine.ParseURL(u.Reveal())
			if err != nil {
				t.Fatalf("parse what Reveal wrote, %s: %v", u.Reveal(), err)
			}
			if again.Reveal() != u.Reveal() {
				t.Errorf("Reveal wrote %s, and from that %s", u.Reveal(), again.Reveal())
			}
		})
	}
}

func TestParseURLRelativePath(t *testing.T) {
	want, err := filepath.Abs("data/app.db")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"data/app.db", "./data/app.db", "sqlite:data/app.db", "sqlite://data/app.db"} {
		u, err := engine.ParseURL(text)
		if err != nil || u.Database() != want {
			t.Errorf("ParseURL(%q) is at %q, error %v, want %q", text, u.Database(), err, want)
		}
	}
}

func TestParseURLRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                  "empty",
		"oracle://me:hunter22@host/app":     `unknown scheme "oracle"`,
		"me:hunter22@host/app":              "no scheme",
		"hunter22":                          "no scheme",
		"postgres:me:hunter22@host/app":     "no host",
		"postgres://":                       "no host",
		"postgres:///app":                   "no host",
		"postgres://me:hunter%22@host/app":  "", // %22 is a quote: fine
		"postgres://me:hunter%2@host/app":   "%25",
		"postgres://me:hunter22 x@host/app": "percent-encoded",
		"postgres://me:12/34@host/app":      "percent-encoded",
		"postgres://me:12?34@host/app":      "percent-encoded",
		"postgres://me:12#34@host/app":      "percent-encoded",
		"postgres://me:ab@cd/ef@host/app":   "percent-encoded",
		"postgres://me:ab@cd?e=f@host/app":  "percent-encoded",
		"sqlite:":                           "path",
		"sqlite::memory:":                   "path",
		"sqlite:/data/a%zz.db":              "%25",
	} {
		t.Run(text, func(t *testing.T) {
			_, err := engine.ParseURL(text)
			if want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Fatalf("error %v, want one that says %q", err, want)
			}
			for _, secret := range []string{"hunter22", "hunter", "12", "34", "cd"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error %q shows %q", err, secret)
				}
			}
		})
	}
}

// shown is everything that a URL may print by itself.
func shown(u engine.URL) []string {
	text, err := json.Marshal(map[string]engine.URL{"url": u})
	if err != nil {
		text = []byte(err.Error())
	}
	return []string{u.String(), string(text), fmt.Sprint(u), fmt.Sprintf("%v %+v %#v %s %q", u, u, u, u, u), fmt.Sprintf("%v", &u), fmt.Sprintf("%v %+v", []engine.URL{u}, struct{ U engine.URL }{u})}
}

func TestURLHidesPassword(t *testing.T) {
	for _, text := range []string{
		"postgres://me:hunter22@host/app", "mysql://:hunter22@host/app", "postgres://me@host/app?password=hunter22",
		"postgres://me@host/app?sslpassword=hunter22&x=y", "sqlite:/x.db?secret_thing=hunter22", "postgres://me@host/app?PassWord=hunter22",
	} {
		u, err := engine.ParseURL(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range shown(u) {
			if strings.Contains(s, "hunter22") || !strings.Contains(s, "***") {
				t.Errorf("%s is shown as %s", text, s)
			}
		}
		if !strings.Contains(u.Reveal(), "hunter22") {
			t.Errorf("Reveal of %s lacks the password", text)
		}
	}
}

func TestURLScrub(t *testing.T) {
	u, err := engine.ParseURL("postgres://me:p%40ss%20word@host/app")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"login p@ss word refused":               "login *** refused",
		"dsn " + u.Reveal():                     "dsn postgres://me:***@host/app",
		"query " + url.QueryEscape("p@ss word"): "query ***",
		"nothing":                               "nothing",
	} {
		if got := u.Scrub(text); got != want {
			t.Errorf("Scrub(%q) = %q, want %q", text, got, want)
		}
	}
	if none, err := engine.ParseURL("postgres://me@host/app"); err != nil || none.Scrub("a text") != "a text" {
		t.Errorf("a url without a password changed a text (error %v)", err)
	}
}

func TestURLWithDatabase(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		name := rapid.StringMatching(`[^\x00]{1,20}`).Draw(r, "name")
		u, err := engine.ParseURL("postgres://me:pw@host:1/app?sslmode=disable")
		if err != nil {
			r.Fatal(err)
		}
		other := u.WithDatabase(name)
		if other.Database() != name || u.Database() != "app" {
			r.Fatalf("names are %q and %q", other.Database(), u.Database())
		}
		again, err := engine.ParseURL(other.Reveal())
		if err != nil || again.Database() != name || again.Option("sslmode") != "disable" {
			r.Fatalf("%s came back as %q, %v", other.Reveal(), again.Database(), err)
		}
	})
}

func TestZeroURL(t *testing.T) {
	var u engine.URL
	if !u.IsZero() || u.String() != "" {
		t.Errorf("the zero URL: IsZero %v, String %q", u.IsZero(), u.String())
	}
}

// FuzzParseURL: whatever is read, no password comes out, neither by an error nor by String, however it was (not) encoded.
func FuzzParseURL(f *testing.F) {
	for _, text := range []string{"secret99", "12", "a b", "p@ss99", "p/ss99", "p?ss99", "p#ss99", "%zz99", "1/2@3", "é€😀x", "a:b99", "[::1]99", `\"'99`, "a@b?c=d99"} {
		f.Add("postgres", text, "host/app")
		f.Add("mysql", text, "host:3306/app?x=y")
	}
	f.Add("sqlite", "secret99", "x.db")
	f.Fuzz(func(t *testing.T, scheme, password, rest string) {
		// A password that stands elsewhere in the url, or in what messages say anyway, cannot be told from them.
		const messages = "database url cannot be read it has no host should look like user password port scheme is unknown known are mysql mariadb sqlite postgres postgresql " +
			"engine.URL begin with not followed by two hexadecimal digits write as special characters must percent-encoded malformed needs the path of a file in empty or name %!vqs(error=)"
		if len(password) < 4 || strings.Contains(scheme+"://user:@"+rest+fmt.Sprintf("%q;%q;", scheme, rest)+url.PathEscape(rest)+url.QueryEscape(rest)+messages, password) || strings.Contains(filepath.Join(mustAbs(t), "x"), password) {
			return
		}
		u, err := engine.ParseURL(scheme + "://user:" + password + "@" + rest)
		if err != nil {
			if strings.Contains(err.Error(), password) {
				t.Fatalf("the error shows the password: %v", err)
			}
			return
		}
		if u.Family() == engine.SQLite {
			return // a path is no secret
		}
		for _, s := range shown(u) {
			if strings.Contains(s, password) {
				t.Fatalf("shown: %s", s)
			}
		}
	})
}

func mustAbs(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	return path
}
