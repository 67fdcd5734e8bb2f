package config_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"mulligan/config"
)

func ExampleLoad() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	file := "targets:\n  - name: app\n    url: ${APP_URL:-postgres://localhost/app}\nsettings: {jobs: 2}\n"
	if err := os.WriteFile(filepath.Join(dir, "mulligan.yaml"), []byte(file), 0o600); err != nil {
		fmt.Println(err)
		return
	}
	flags := pflag.NewFlagSet("mulligan", pflag.ContinueOnError)
	config.AddFlags(flags)
	if err := flags.Parse([]string{"--jobs", "8"}); err != nil {
		fmt.Println(err)
		return
	}
	c, err := config.Load(config.Options{Dir: dir, Env: []string{"APP_URL=postgres://me:secret@localhost/app"}, Flags: flags})
	if err != nil {
		fmt.Println(err)
		return
	}
	target, err := c.Target("app")
	if err != nil {
		fmt.Println(err)
		return
	}
	url, err := target.ResolveURL(context.Background())
	fmt.Println(c.Settings.Jobs, target.URL, url, err)
	// Output: 8 *** postgres://me:secret@localhost/app <nil>
}

func ExampleNearest() {
	fmt.Println(config.Nearest("migration", []string{"mapping", "migrations"}))
	// Output: migrations
}
