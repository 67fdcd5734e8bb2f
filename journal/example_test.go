package journal_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"mulligan/journal"
)

// Write a journal, and read it as a process does that takes up what a killed one left.
func Example() {
	folder, err := os.MkdirTemp("", "journal")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(folder) }()
	path := filepath.Join(folder, "journal.jsonl")
	j, err := journal.Create(path, map[string]string{"target": "app"})
	if err != nil {
		log.Fatal(err)
	}
	if err := j.Append(journal.KindStart, "backup", nil); err != nil {
		log.Fatal(err)
	}
	if err := j.Close(); err != nil {
		log.Fatal(err)
	}

	j, entries, err := journal.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	for _, e := range entries {
		fmt.Printf("%d %s stage=%q data=%q\n", e.Seq, e.Kind, e.Stage, e.Data)
	}
	if err := j.Append(journal.KindCheckpoint, "backup", map[string]int{"rows": 3}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(j.Entries()), "entries")
	if err := j.Close(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// 1 header stage="" data="{\"target\":\"app\"}"
	// 2 start stage="backup" data=""
	// 3 entries
}
