package storetest_test

import (
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"

	"mulligan/store"
	"mulligan/store/storetest"
)

func TestMemory(t *testing.T) {
	storetest.Test(t, func(*testing.T) store.Store { return storetest.Memory() })
}

func TestFullTakesWhatFitsAndNoMore(t *testing.T) {
	mem := storetest.Memory()
	s := storetest.Full(mem, 5)
	if err := s.Put(t.Context(), "a", strings.NewReader("123")); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), "b", strings.NewReader("456")); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Put on a full disk: %v, want ENOSPC", err)
	}
	if err := s.Put(t.Context(), "c", strings.NewReader("7")); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Put after that: %v, want ENOSPC", err)
	}
	if got := mem.Names(); len(got) != 1 || got[0] != "a" {
		t.Errorf("the store holds %q, want only a", got)
	}
}

func TestTornFailsInTheMiddle(t *testing.T) {
	mem := storetest.Memory()
	mem.Replace("a", []byte("12345"))
	blob, err := storetest.Torn(mem, 3).Get(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(blob); string(b) != "123" || !errors.Is(err, syscall.EIO) {
		t.Errorf("read %q, %v; want 123 and EIO", b, err)
	}
}
