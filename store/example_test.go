package store_test

import (
	"errors"
	"fmt"
	"io/fs"

	"mulligan/store"
)

func ExampleCheckName() {
	for _, name := range []string{"app/20261122T215500Z-9f3a1c/manifest.json", "../outside", "/absolute", "a//b"} {
		err := store.CheckName(name)
		fmt.Println(name, err == nil, errors.Is(err, fs.ErrInvalid))
	}
	// Output:
	// app/20261122T215500Z-9f3a1c/manifest.json true false
	// ../outside false true
	// /absolute false true
	// a//b false true
}
