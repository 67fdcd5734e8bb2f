package dbmate

import (
	"strings"
	"testing"
)

func FuzzParse(f *testing.F) {
	f.Add("-- x\n-- migrate:up transaction:false\nSELECT 1;\n-- migrate:down\nSELECT 2;")
	f.Add("--migrate:up\r\n--migrate:down\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		b, err := parse(text)
		if err != nil {
			return
		}
		if !strings.Contains(text, b.text) || !up.MatchString(b.text) || down.MatchString(b.text) {
			t.Fatalf("the block of %q is %q", text, b.text)
		}
		if line := strings.Split(text, "\n")[b.line-1]; !strings.HasPrefix(b.text, line) {
			t.Fatalf("the block of %q is not on line %d", text, b.line)
		}
	})
}

func TestTransactionOption(t *testing.T) {
	for first, want := range map[string]bool{
		"-- migrate:up": true, "-- migrate:up transaction:false": false, "--migrate:up  foo:bar transaction:false": false, "-- migrate:up transaction:true": true,
	} {
		b, err := parse(first + "\n-- migrate:down")
		if err != nil || b.transaction != want {
			t.Errorf("%q: transaction %t, %v", first, b.transaction, err)
		}
	}
}
