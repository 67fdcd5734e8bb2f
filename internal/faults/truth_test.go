package faults

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// truth is what the databases of a library must hold, and nothing else ever.
type truth struct {
	old *content // before anything was done
	new *content // after the later migrations, which were applied by plain SQL; without the ledger
}

// learn makes a library, applies the later migrations to it as plain SQL, and reads it before and after.
func (l *library) learn(t testing.TB) truth {
	t.Helper()
	s := l.newSite(t)
	defer s.remove(t)
	old, err := s.content(t.Context(), s.name)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.exec(t.Context(), s.name, s.next...); err != nil {
		t.Fatal(err)
	}
	after, err := s.content(t.Context(), s.name)
	if err != nil {
		t.Fatal(err)
	}
	if len(old.rows["loans"]) < 400 || len(after.rows["loan_counts"]) < 50 || old.differs(after) == "" {
		t.Fatal("the library tells too little to prove anything by")
	}
	return truth{old: old, new: after.withoutLedger()}
}

// sight is what is found of a site; nil = no such database.
type sight struct {
	live, aside *content
	relatives   []string // names, without the database's own
}

// look reads all that matters of a site. A server may still be at work for a client that was killed, so that a name is
// gone when it is to be read: then it is looked again.
func (s *site) look(ctx context.Context) (_ sight, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		v, now := s.glance(ctx)
		if now == nil {
			return v, nil
		}
		if ctx.Err() == nil {
			err = now
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return v, errors.Join(err, ctx.Err())
		}
	}
}

func (s *site) glance(ctx context.Context) (v sight, err error) {
	if v.relatives, err = s.library.relatives(ctx, s.name); err != nil {
		return v, err
	}
	if slices.Contains(v.relatives, "") {
		if v.live, err = s.content(ctx, s.name); err != nil {
			return v, err
		}
	}
	if rest, ok := strings.CutPrefix(s.aside(), s.name); ok && slices.Contains(v.relatives, rest) {
		v.aside, err = s.content(ctx, s.name+rest)
	}
	return v, err
}

// scratches are databases that mulligan made to throw away, and what SQLite would read into the next file of a name.
func (v sight) scratches() (list []string) {
	for _, rest := range v.relatives {
		kept := strings.HasPrefix(rest, "__mulligan_old_") || strings.HasPrefix(rest, "__mulligan_new_")
		beside := strings.HasSuffix(rest, "-wal") || strings.HasSuffix(rest, "-journal") || strings.HasSuffix(rest, "-shm")
		lock := strings.HasSuffix(rest, ".lock") || strings.HasSuffix(rest, "-lock")
		if rest != "" && !lock && (!kept || beside) {
			list = append(list, rest)
		}
	}
	return list
}

// lost counts the old rows that are neither under the database's name nor under its set-aside name.
func (tr truth) lost(v sight) (n int, some []string) {
	least := -1
	for _, c := range []*content{v.live, v.aside} {
		if c == nil {
			c = &content{}
		}
		if k, names := tr.old.lost(c); least < 0 || k < least {
			least, some = k, names
		}
	}
	return least, some
}

// lostInNew counts the rows that should be in the new database and are not.
func (tr truth) lostInNew(v sight) (n int, some []string) {
	if v.live == nil {
		return tr.new.lost(&content{})
	}
	return tr.new.lost(v.live)
}

// isOld says how the database is not what it was; empty = it is, to the letter.
func (tr truth) isOld(v sight) string {
	if v.live == nil {
		return "there is no database under the name"
	}
	return tr.old.differs(v.live)
}

// isNew says how the database is not what the migrations and the rows make together.
func (tr truth) isNew(v sight) string {
	if v.live == nil {
		return "there is no database under the name"
	}
	if text := tr.new.differs(v.live.withoutLedger()); text != "" {
		return text
	}
	if n := len(v.live.rows[ledgerTable]); n != 12 && n != 13 { // goose's row zero counts, too
		return "the ledger does not hold all migrations"
	}
	return ""
}
