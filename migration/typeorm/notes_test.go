package typeorm

import "testing"

// Each setting with which TypeORM changes tables by itself is told, and nothing where there is none.
func TestNotes(t *testing.T) {
	a := &app{}
	if got := a.notes(); got != nil {
		t.Errorf("before the application was asked: %q", got)
	}
	for want, s := range map[int]source{0: {}, 1: {Synchronize: true}, 2: {DropSchema: true, MigrationsRun: true}, 3: {Synchronize: true, DropSchema: true, MigrationsRun: true}} {
		a.settings.Store(&s)
		if got := a.notes(); len(got) != want {
			t.Errorf("%+v: %q, want %d notes", s, got, want)
		}
	}
}
