package migration

import (
	"strings"

	"mulligan/engine"
)

// MovesData picks the statements that touch rows, which leave no trace in a schema.
func MovesData(f engine.Family, statements []Statement) []Statement {
	var l []Statement
	for _, s := range statements {
		w, _, _ := strings.Cut(strings.ToUpper(s.Text), " ")
		if w == "UPDATE" || w == "INSERT" || w == "DELETE" {
			l = append(l, s)
		}
	}
	return l
}

// DataInCode finds the lines of code that have signs of touching rows.
func DataInCode(text string) []int { return nil }

// NamesDatabase finds the lines of a script that reach outside of its own database.
func NamesDatabase(f engine.Family, text, database string) []int { return nil }
