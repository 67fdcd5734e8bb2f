package story

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// carried are the tables that the example's mulligan.yaml calls important.
func carried() []string {
	return []string{"channels", "config", "guilds", "messages", "security_keys", "templates", "users"}
}

const (
	first    = "templateDeleteCascade1673609465036" // what the broken ledger says
	position = "lookupIndexes1692000000000"         // what the broken schema is at
	last     = "auditLogs1697000000000"
	nothing  = "No migrations are pending"
)

// TestStory is the story with each version of TypeORM, on tables that synchronize made. Tables that the
// migrations made differ from those in nothing that a version could matter for: they are tested with one.
func TestStory(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		for _, version := range versions() {
			t.Run("typeorm-"+version+"/synchronize", func(t *testing.T) {
				t.Parallel()
				tellStory(t, newApp(t, engine, version), "--synchronize")
			})
		}
		t.Run("typeorm-"+pinned+"/migrated", func(t *testing.T) {
			t.Parallel()
			tellStory(t, newApp(t, engine, pinned))
		})
	})
}

// tellStory breaks the database, rebuilds it, looks at everything, and takes the rebuild back.
func tellStory(t *testing.T, a *app, how ...string) {
	a.breakIt(t, how...)
	a.failsToStart(t)
	was := before{properties: a.properties(t, a.database), everything: a.everything(t, a.database)}
	was.rows = a.rows(t, a.database, append(carried(), "sessions")...)
	was.tellsMuch(t)

	a.rebuild(t)
	a.checkLedger(t)
	a.checkRows(t, was)
	a.checkDatabases(t, was)
	a.checkReport(t)
	a.checkNumbers(t)
	a.checkRevert(t)
	a.ready(t)
	a.undo(t, was)
}

// before is what there was to lose.
type before struct {
	properties []string
	everything string
	rows       content
}

// failsToStart checks that the service and TypeORM's own command say what the story begins with.
func (a *app) failsToStart(t *testing.T) {
	t.Helper()
	words := []string{"ER_TABLE_EXISTS_ERROR", "Table 'security_keys' already exists"}
	if a.engine == "postgres" {
		words = []string{"42P07", `relation "security_keys" already exists`}
	}
	start := a.node(t, "start.js")
	if want := fmt.Sprintf(`Migration "webauthn1675045120206" failed, error: %s: %s`, words[0], words[1]); start.code != 1 || strings.TrimSpace(start.stderr) != want {
		t.Fatalf("start.js on the broken database: exit %d\n%s%s\nwant exit 1, %s", start.code, start.stdout, start.stderr, want)
	}
	command := a.tryTypeorm(t, "migration:run")
	if command.code == 0 {
		t.Fatalf("typeorm migration:run succeeds on the broken database:\n%s", command.stdout)
	}
	for _, w := range words {
		if !strings.Contains(command.stdout+command.stderr, w) {
			t.Fatalf("typeorm migration:run on the broken database does not say %s:\n%s%s", w, command.stdout, command.stderr)
		}
	}
}

// tellsMuch makes sure that equal rows mean something: that there are values which are easily lost.
func (b before) tellsMuch(t *testing.T) {
	t.Helper()
	for table, n := range map[string]int{"users": 300, "guilds": 40, "channels": 400, "messages": 4000, "templates": 30, "config": 2, "sessions": 200} {
		if got := len(b.rows[table]); got != n {
			t.Errorf("the broken database has %d rows in %s, not %d", got, table, n)
		}
	}
	all := strings.Join(slices.Concat(b.rows.lines("users"), b.rows.lines("messages"), b.rows.lines("config")), "\n")
	for _, text := range []string{"👩‍🚀", "𝔘𝔫𝔦", "привет 🔑", "content=" + null, "embeds=" + null, "theme", `\\`, "%_"} {
		if !strings.Contains(all, text) {
			t.Errorf("the broken database holds no %q", text)
		}
	}
	if !regexp.MustCompile(`avatar=(0x|\\\\x)[0-9A-Fa-f]{32} `).MatchString(all) {
		t.Error("the broken database holds no avatar of 16 bytes")
	}
}

func (a *app) rebuild(t *testing.T, args ...string) {
	t.Helper()
	out := a.mulligan(t, append([]string{"rebuild", "--yes"}, args...)...)
	if !strings.Contains(out, "proved: database "+a.database) {
		t.Fatalf("mulligan rebuild does not say that it proved %s:\n%s", a.database, out)
	}
}

// checkLedger asks TypeORM what is pending, and the ledger for the rows that TypeORM wrote.
func (a *app) checkLedger(t *testing.T) {
	t.Helper()
	if out := a.typeorm(t, "migration:run"); !strings.Contains(out, nothing) {
		t.Errorf("typeorm migration:run on the rebuilt database does not say %q:\n%s", nothing, out)
	}
	if got := a.shown(t); got != (shown{done: 12}) {
		t.Errorf("typeorm migration:show on the rebuilt database: %+v", got)
	}
	records := a.server.Query(t, a.database, "SELECT name, timestamp FROM migrations ORDER BY id")
	if len(records) != 12 || records[0][0] != first || records[11][0] != last {
		t.Errorf("the ledger holds %v", records)
	}
	for _, r := range records {
		if name := r[0]; r[1] != name[len(name)-13:] {
			t.Errorf("the ledger gives %s the timestamp %s", name, r[1])
		}
	}
}

// shown counts the lines of typeorm migration:show.
type shown struct{ done, pending int }

func (a *app) shown(t *testing.T) (s shown) {
	t.Helper()
	for line := range strings.Lines(a.typeorm(t, "migration:show")) {
		if strings.Contains(line, "[X]") {
			s.done++
		}
		if strings.Contains(line, "[ ]") {
			s.pending++
		}
	}
	return s
}

// checkRows compares the rows with those of before: equal, but for what the migrations after the position say.
func (a *app) checkRows(t *testing.T, was before) {
	t.Helper()
	is := a.rows(t, a.database, append(carried(), "sessions", "audit_logs")...)
	for _, table := range carried() {
		// The last but one migration moves guilds.channel_order into channels.position.
		if diff := cmp.Diff(was.rows.lines(table, "channel_order"), is.lines(table, "position")); diff != "" {
			t.Errorf("rows of %s (-before +after):\n%.2000s", table, diff)
		}
	}
	checkOrder(t, was.rows, is)
	if n := len(is["sessions"]); n != 0 {
		t.Errorf("sessions has %d rows, though the configuration leaves them behind", n)
	}
	var opened []string
	for _, r := range is["audit_logs"] {
		if strings.Trim(r["action"], "'") != "log.opened" {
			t.Errorf("an audit log entry of the migration is %v", r)
		}
		opened = append(opened, strings.Trim(r["guild_id"], "'"))
	}
	var guilds []string
	for id := range was.rows.column("guilds", "id", "name") {
		guilds = append(guilds, id)
	}
	slices.Sort(guilds)
	slices.Sort(opened)
	if diff := cmp.Diff(guilds, opened); diff != "" {
		t.Errorf("guilds with an audit log entry (-want +got):\n%s", diff)
	}
}

var snowflake = regexp.MustCompile(`\d{19}`)

// checkOrder compares each channel's position with the place that it had in its guild's list.
func checkOrder(t *testing.T, was, is content) {
	t.Helper()
	positions, guilds := is.column("channels", "id", "position"), 0
	for guild, order := range was.column("guilds", "id", "channel_order") {
		list := snowflake.FindAllString(order, -1)
		right := len(list) == 10
		for i, channel := range list {
			right = right && positions[channel] == strconv.Itoa(i+1)
		}
		if right {
			guilds++
		} else {
			t.Errorf("guild %s had the channels %v, their positions are now not 1 to 10", guild, list)
		}
	}
	if guilds != 40 {
		t.Errorf("%d of 40 guilds have their channels in order", guilds)
	}
}

// checkDatabases looks at what is there: the new database like the old one, the old one whole, and no other.
func (a *app) checkDatabases(t *testing.T, was before) {
	t.Helper()
	if diff := cmp.Diff(was.properties, a.properties(t, a.database)); diff != "" {
		t.Errorf("properties of the database (-before +after):\n%s", diff)
	}
	aside := a.lastRun(t).Run.Aside
	if diff := cmp.Diff([]string{aside}, a.beside(t, a.database)); diff != "" {
		t.Fatalf("databases beside %s (-want +got):\n%s", a.database, diff)
	}
	old := a.rows(t, aside, append(carried(), "sessions")...)
	for table := range was.rows {
		if diff := cmp.Diff(was.rows.lines(table), old.lines(table)); diff != "" {
			t.Errorf("rows of %s in the database that was set aside (-before +after):\n%.2000s", table, diff)
		}
	}
	if records := a.server.Query(t, aside, "SELECT name FROM migrations"); len(records) != 1 || records[0][0] != first {
		t.Errorf("the ledger of the database that was set aside holds %v", records)
	}
}

// checkReport reads what the run left for people and for scripts.
func (a *app) checkReport(t *testing.T) {
	t.Helper()
	r := a.lastRun(t)
	if r.State != "proved" || r.Run.Command != "rebuild" || r.Run.Database != a.database || r.Run.Snapshot == "" {
		t.Errorf("the report says state %q of %+v", r.State, r.Run)
	}
	replay := r.proof(t, "replay")
	for name, want := range map[string]any{"recorded": first, "position": position, "replayed": 10.0, "pending": 2.0, "bootstrap": true} {
		if replay[name] != want {
			t.Errorf("the proof of replay says %s %v, want %v", name, replay[name], want)
		}
	}
	if rows := r.proof(t, "compare-data")["rows"]; rows != 4862.0 {
		t.Errorf("the proof of compare-data says %v rows, want 4862", rows)
	}
	if n := r.proof(t, "swap")["ledger"]; n != 12.0 {
		t.Errorf("the proof of swap says %v records, want 12", n)
	}
	page := a.mulligan(t, "runs", "show")
	for _, word := range []string{r.Run.ID, "proved", r.Run.Aside, "compare-data", "swap"} {
		if !strings.Contains(page, word) {
			t.Errorf("mulligan runs show does not say %q:\n%s", word, page)
		}
	}
	var list []report
	if err := json.Unmarshal([]byte(a.mulligan(t, "runs", "list", "--json")), &list); err != nil || len(list) != 1 || list[0].State != "proved" {
		t.Errorf("mulligan runs list --json: %v, %d runs", err, len(list))
	}
}

// checkNumbers inserts a template: its number goes on where the counter stood, which was past the last row.
func (a *app) checkNumbers(t *testing.T) {
	t.Helper()
	a.server.Exec(t, a.database, "INSERT INTO templates (code, body, source_guild_id) SELECT 'next', '{}', min(id) FROM guilds")
	got := a.server.Query(t, a.database, "SELECT id FROM templates WHERE code = 'next'")
	if len(got) != 1 || got[0][0] != "121" {
		t.Errorf("the next template has the number %v, want 121", got)
	}
}

// checkRevert takes the last migration back with TypeORM's own command, and runs it again.
func (a *app) checkRevert(t *testing.T) {
	t.Helper()
	a.typeorm(t, "migration:revert")
	if got := a.shown(t); got != (shown{done: 11, pending: 1}) {
		t.Errorf("typeorm migration:show after migration:revert: %+v", got)
	}
	if records := a.server.Query(t, a.database, "SELECT name FROM migrations WHERE name = '"+last+"'"); len(records) != 0 {
		t.Error("migration:revert left its row in the ledger")
	}
	if out := a.typeorm(t, "migration:run"); !strings.Contains(out, last) {
		t.Errorf("typeorm migration:run after migration:revert does not run %s:\n%s", last, out)
	}
}

// undo puts the old database back, and compares all of it.
func (a *app) undo(t *testing.T, was before) {
	t.Helper()
	a.mulligan(t, "undo", "--yes")
	if d := difference(was.everything, a.everything(t, a.database)); d != "" {
		t.Errorf("the database after undo is not what it was: %s", d)
	}
	if diff := cmp.Diff(was.properties, a.properties(t, a.database)); diff != "" {
		t.Errorf("properties after undo (-before +after):\n%s", diff)
	}
	if r := a.lastRun(t); r.State != "undone" {
		t.Errorf("the run is %s after undo", r.State)
	}
	for _, name := range a.beside(t, a.database) {
		if !strings.Contains(name, "__mulligan_new_") {
			t.Errorf("undo leaves database %s", name)
		}
	}
}
