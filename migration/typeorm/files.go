package typeorm

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"mulligan/migration"
)

const (
	maxEntries = 50_000  // of an application's tree that are looked at
	maxSource  = 1 << 20 // longest file that is looked into, in bytes
)

var (
	sourceFile = regexp.MustCompile(`\.[cm]?[jt]s$`)
	// named finds the classes and names that a compiled or written migration declares.
	named = regexp.MustCompile(`\bclass\s+([\p{L}_$][\p{L}\p{N}_$]*)|\bname\s*=\s*["'\x60]([^"'\x60]+)["'\x60]|\bfunction\s+([\p{L}_$][\p{L}\p{N}_$]*)`)
)

// FileTool knows a folder of TypeORM migrations by the files in it that declare a class which ends
// in a timestamp.
func FileTool() migration.FileTool {
	return migration.FileTool{Tool: "typeorm", Looks: func(dir string) (int, error) {
		names, err := migration.List(dir, isSource)
		n := 0
		for _, name := range names {
			if found, err := declared(filepath.Join(dir, name)); err == nil && len(found) > 0 {
				n++
			}
		}
		return n, err
	}}
}

func isSource(name string) bool {
	return sourceFile.MatchString(name) && !strings.Contains(name, ".d.")
}

// declared lists the names in a file that could be migrations' names.
func declared(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil || info.Size() > maxSource {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, m := range named.FindAllSubmatch(text, -1) {
		for _, name := range m[1:] {
			if _, err := timestamp(migration.ID(name)); err == nil && len(name) > 13 {
				names = append(names, string(name))
			}
		}
	}
	return names, nil
}

// locate fills in the files of migrations, where exactly one file declares a name. JavaScript, which
// is what runs, wins over TypeScript. What cannot be found stays empty.
func (a *app) locate(list []migration.Migration) error {
	found := make(map[migration.ID][]string)
	root, entries := filepath.Dir(a.path()), 0
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if entries++; err != nil || entries > maxEntries {
			return fs.SkipAll // what cannot be read is not found
		}
		if e.IsDir() && path != root && (e.Name() == "node_modules" || strings.HasPrefix(e.Name(), ".")) {
			return fs.SkipDir
		}
		if !e.Type().IsRegular() || !isSource(e.Name()) {
			return nil
		}
		names, err := declared(path)
		if err != nil {
			return nil // as above
		}
		for _, name := range names {
			found[migration.ID(name)] = append(found[migration.ID(name)], path)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("look for the migrations' files in %s: %w", root, err)
	}
	for i := range list {
		path := only(found[list[i].ID])
		if path == "" {
			continue
		}
		f, err := migration.ReadFile(path)
		if err != nil {
			return err
		}
		list[i].Path, list[i].Hash = f.Path, f.Hash
	}
	return nil
}

// only is the one JavaScript file of several, or the one file; empty = it cannot be told.
func only(paths []string) string {
	var js []string
	for _, p := range paths {
		if strings.HasSuffix(p, "js") {
			js = append(js, p)
		}
	}
	if len(js) > 0 {
		paths = js
	}
	if len(paths) != 1 {
		return ""
	}
	return paths[0]
}
