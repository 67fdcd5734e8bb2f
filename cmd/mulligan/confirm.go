package main

import (
	"bufio"
	"fmt"
	"strings"

	"mulligan/config"
)

// guard asks for the word that a destructive command needs. what says in one line what will happen.
func (a *app) guard(target *config.Target, database, protectedName, what string) error {
	if target.Protected && protectedName != target.Name {
		return usageError{fmt.Errorf("target %s is protected", target.Name),
			fmt.Sprintf("if you mean it, repeat its name: --protected-name %s", target.Name)}
	}
	return a.confirm(database, what)
}

// confirm asks for the database's name, unless --yes was given.
func (a *app) confirm(database, what string) error {
	if a.config.Settings.Yes {
		return nil
	}
	if !terminal(a.stdin) {
		return usageError{fmt.Errorf("%s, and there is no terminal to ask at", what), "pass --yes to go on without a question"}
	}
	fmt.Fprintf(a.stderr, "%s.\nType the database's name to go on: ", what)
	answer, err := bufio.NewReader(a.stdin).ReadString('\n')
	if err != nil || strings.TrimSpace(answer) != database {
		return usageError{fmt.Errorf("the answer is not %s", database), "nothing was changed"}
	}
	return nil
}
