package atlas

import (
	"os"
	"path/filepath"
)

// WriteSums writes the atlas.sum of a folder as `atlas migrate hash` does.
func WriteSums(dir string) error {
	list, err := sums(dir)
	if err != nil {
		return err
	}
	text := prefix + whole(list) + "\n"
	for _, s := range list {
		text += s.name + " " + prefix + s.hash + "\n"
	}
	return os.WriteFile(filepath.Join(dir, sumName), []byte(text), 0o600)
}
