package atlas

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"mulligan/migration"
)

// sumName is the file in which Atlas keeps the sums of a folder.
const sumName = "atlas.sum"

// prefix stands before each sum in atlas.sum and in no hash of the ledger.
const prefix = "h1:"

// sum is what Atlas calls a file's hash: over the names and contents of it and of all files before it.
type sum struct{ name, hash string }

// sums gives those of a folder, in the order of the files.
func sums(dir string) ([]sum, error) {
	files, err := migration.ReadFolder(dir, isMigration)
	if err != nil {
		return nil, err
	}
	running := sha256.New()
	list := make([]sum, 0, len(files))
	for _, f := range files {
		_, _ = running.Write([]byte(f.Name + f.Text)) // it has no error
		list = append(list, sum{f.Name, base64.StdEncoding.EncodeToString(running.Sum(nil))})
	}
	return list, nil
}

// whole is the sum of the sums, as it stands on the first line of atlas.sum.
func whole(list []sum) string {
	all := sha256.New()
	for _, s := range list {
		_, _ = all.Write([]byte(s.name + s.hash))
	}
	return base64.StdEncoding.EncodeToString(all.Sum(nil))
}

// checkSums compares a folder with its atlas.sum, and names the first file that is not as it was.
func checkSums(dir string) error {
	const hint = "if the files are as they should be, run atlas migrate hash"
	list, err := sums(dir)
	if err != nil {
		return err
	}
	kept, err := migration.ReadFile(filepath.Join(dir, sumName))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("folder %s has no %s, without which Atlas refuses to work: %s", dir, sumName, hint)
	}
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimRight(strings.ReplaceAll(kept.Text, "\r\n", "\n"), "\n"), "\n")
	for i, s := range list {
		if want := s.name + " " + prefix + s.hash; i+1 >= len(lines) || lines[i+1] != want {
			return fmt.Errorf("migration %s is not what %s says: it was changed, or another file came before it; %s", filepath.Join(dir, s.name), kept.Path, hint)
		}
	}
	if len(lines) != len(list)+1 || lines[0] != prefix+whole(list) {
		return fmt.Errorf("%s names other files than %s holds: %s", kept.Path, dir, hint)
	}
	return nil
}
