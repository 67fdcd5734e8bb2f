package faults

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// life is how many actions are done to one database before another takes its place: its migrations grow in number.
const life = 80

// soaker is a long-lived database to which random actions happen, and a mirror that knows the truth: a database of the
// same server that mulligan never sees, to which the same statements are sent.
type soaker struct {
	t       *testing.T
	library *library
	site    *site
	mirror  string
	random  *rand.Rand
	files   []step // the migrations of the folder, in their order
	applied int    // how many of them are in the schema
	meter   meter
	counts  map[string]int
	said    []string // what was done in this life
	bad     []string
}

// step is a migration.
type step struct {
	version string
	up      string
	data    bool // it changes rows alone: no schema shows whether it was applied
	once    bool // it must not be applied twice, so whoever applies it records it
}

// action is something that happens, with its weight.
type action struct {
	name   string
	weight int
	do     func() string // what was done, in a few words
}

func (s *soaker) actions() []action {
	return []action{
		{"insert", 12, s.insert}, {"update", 8, s.update}, {"delete", 5, s.remove},
		{"migration", 6, s.addMigration}, {"by hand", 5, s.byHand}, {"forget record", 4, s.forget}, {"forge record", 2, s.forge},
		{"backup", 4, s.backup}, {"doctor", 4, s.doctor},
		{"rebuild", 8, s.rebuild}, {"rebuild, undo", 3, s.rebuildUndo}, {"rebuild, kill", 8, s.kill},
		{"server restart", 1, s.restart},
	}
}

// TestSoak lets random actions happen for a while, and compares with the mirror after each.
func TestSoak(t *testing.T) {
	names := engines()
	if made.settings.soak == 0 {
		names = []string{"mariadb", "sqlite"}
	}
	for _, engine := range names {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := &soaker{t: t, library: newLibrary(t, engine, serverOf(t, engine)), counts: map[string]int{},
				random: rand.New(rand.NewPCG(made.settings.seed, seedOf("soak", engine)))}
			end := time.Now().Add(made.settings.soak)
			for n := 0; n < 8 || time.Now().Before(end); n++ {
				if n%life == 0 {
					s.begin()
				}
				s.act()
				s.meter.sample(s)
				if len(s.bad) > 0 {
					break
				}
			}
			s.finish()
		})
	}
}

// begin begins a life.
func (s *soaker) begin() {
	s.t.Helper()
	s.end()
	l := s.library
	s.site, s.said = l.newSite(s.t), nil
	s.mirror = fmt.Sprintf("mirror%d_", l.names.Add(1))
	if l.server == nil {
		s.mirror = filepath.Join(s.site.folder, "mirror.db")
	}
	if err := l.create(s.t.Context(), s.mirror); err != nil {
		s.t.Fatal(err)
	}
	folder := filepath.Join(s.site.folder, "migrations")
	if err := os.CopyFS(folder, os.DirFS(migrationsOf(s.t, l.engine))); err != nil {
		s.t.Fatal(err)
	}
	s.site.configure(s.t, folder, "")
	names, err := filepath.Glob(filepath.Join(folder, "*.sql"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.files = nil
	for i, up := range ups(s.t, folder) {
		version, _, _ := strings.Cut(filepath.Base(names[i]), "_")
		s.files = append(s.files, step{version: version, up: up})
	}
	s.applied = len(s.files) - migrationsAbove
}

// end removes what a life has left.
func (s *soaker) end() {
	if s.site == nil {
		return
	}
	if s.library.server != nil {
		s.library.server.DropDatabase(s.t, s.mirror)
	}
	s.site.remove(s.t)
	s.site = nil
}

// act does one action, and looks.
func (s *soaker) act() {
	s.t.Helper()
	list, total := s.actions(), 0
	for _, a := range list {
		total += a.weight
	}
	n := s.random.IntN(total)
	for _, a := range list {
		if n -= a.weight; n < 0 {
			s.counts[a.name]++
			s.site.log.Reset()
			s.said = append(s.said, a.name+": "+a.do())
			break
		}
	}
	s.compare()
}

// violation notes what must not be.
func (s *soaker) violation(format string, args ...any) {
	s.bad = append(s.bad, fmt.Sprintf(format, args...))
}

// compare lays the database beside the mirror, and clears away what is kept of earlier runs, as a user would.
func (s *soaker) compare() {
	s.t.Helper()
	ctx := s.t.Context()
	v, err := s.site.look(ctx)
	if err != nil || v.live == nil {
		s.violation("the database cannot be read: %v", err)
		return
	}
	want, err := s.library.content(ctx, s.mirror)
	if err != nil {
		s.t.Fatal(err)
	}
	want, got := want.withoutLedger(), v.live.withoutLedger()
	if n, some := want.lost(got); n > 0 {
		s.violation("%d rows lost: %q", n, some)
	}
	if text := want.differsInRows(got); text != "" {
		s.violation("rows: %s", text)
	}
	if text := difference("object", want.objects, got.objects); text != "" {
		s.violation("schema: %s", text)
	}
	for _, rest := range v.scratches() {
		if !shadow.MatchString(rest) {
			s.violation("left behind: %s", rest)
		}
	}
	for _, rest := range v.relatives {
		if !strings.HasPrefix(rest, "__mulligan_old_") && !strings.HasPrefix(rest, "__mulligan_new_") {
			continue
		}
		if s.library.server != nil {
			s.library.server.DropDatabase(s.t, s.site.name+rest)
		} else if err := os.Remove(s.site.name + rest); err != nil {
			s.t.Error(err)
		}
	}
}

// finish says what was done and what was measured.
func (s *soaker) finish() {
	s.t.Helper()
	var b strings.Builder
	total := 0
	for _, a := range s.actions() {
		fmt.Fprintf(&b, ", %s %d", a.name, s.counts[a.name])
		total += s.counts[a.name]
	}
	made.table.soaked(fmt.Sprintf("%-9s %d actions, %d violations: %s\n%s", s.library.engine, total, len(s.bad), strings.TrimPrefix(b.String(), ", "), s.meter.String()))
	if len(s.bad) > 0 {
		s.t.Errorf("soak, %s, seed %d, after %d actions:\n%s\nin this life:\n%s\nthe last commands:\n%s\nkept in %s", s.library.engine, made.settings.seed, total,
			strings.Join(s.bad, "\n"), strings.Join(s.said, "\n"), short(s.site.log.String()), s.site.folder)
		return
	}
	if text := s.meter.grown(); text != "" && made.settings.soak > time.Minute {
		s.t.Errorf("soak, %s: %s", s.library.engine, text)
	}
	s.t.Logf("the last life of %s:\n%s", s.library.engine, strings.Join(s.said, "\n"))
	s.end()
}
