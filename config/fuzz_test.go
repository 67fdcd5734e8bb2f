package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// planted is a secret that no error may hold.
const planted = "hunter2hunter2"

func FuzzExpand(f *testing.F) {
	for _, s := range []string{"", "$", "$$", "${", "${A}", "${A:-${B:-$$}}", "${A:?b}", "${S}", "${S:-", "${S-}", "${:-${}}"} {
		f.Add(s)
	}
	lookup := func(name string) (string, bool) { return planted, name == "S" }
	f.Fuzz(func(t *testing.T, text string) {
		got, err := expand(text, lookup)
		switch {
		case err != nil && strings.Contains(err.Error(), planted) && !strings.Contains(text, planted):
			t.Errorf("the secret is in %v", err)
		case err == nil && !strings.Contains(text, "$") && got != text:
			t.Errorf("%q became %q", text, got)
		}
		// Escaping every dollar sign gives the text back.
		if got, err := expand(strings.ReplaceAll(text, "$", "$$"), lookup); err != nil || got != text {
			t.Errorf("escaped %q became %q, %v", text, got, err)
		}
	})
}

func FuzzLoad(f *testing.F) {
	for _, name := range []string{"full.yaml", "windows.yaml", "anchors.yaml"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data), "A=1\n")
	}
	const secret = "targets:\n  - name: app\n    url: postgres://u:" + planted + "@h/d\n"
	for _, s := range []string{"", "    protected: ${S}\n", "    ? a\n", "   : b\n", "  x", "\t", "    migrations: {tool: \"${S}\", env: [\"${S}\"]}\n", "- *a", "\"", "&a", "    <<: {a: ${S}}\n"} {
		f.Add(secret+s, "S="+planted+"\nX"+s)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, file, dotenv string) {
		if strings.Contains(strings.ReplaceAll(file, "postgres://u:"+planted+"@", ""), planted) {
			return // the secret stands in a key, say, where none is expected
		}
		for name, text := range map[string]string{"mulligan.yaml": file, ".env": dotenv} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		env := []string{"S=" + planted, "DATABASE_URL=mysql://u:" + planted + "@h/d", "MULLIGAN_JOBS=2"}
		c, err := Load(Options{Dir: dir, Env: env})
		if err == nil {
			_, err = c.Target("")
		}
		if err != nil && strings.Contains(err.Error(), planted) {
			t.Errorf("the secret is in %v", err)
		}
	})
}
