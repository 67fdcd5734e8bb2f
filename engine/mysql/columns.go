package mysql

import (
	"strings"

	"mulligan/schema"
)

// form is the way a column's values travel.
type form int

const (
	formText   form = iota // the server's text
	formBinary             // hexadecimal digits
	formFloat              // shortest exact decimal; the server's own text of a FLOAT has six digits
	formYear               // text: as a number, the year 0000 would come back as 2000
	formEnum               // the server's text; see [emptyEnums]
)

// formOf decides by the type's first word, in the words of information_schema.
func formOf(c schema.Column) form {
	word := strings.ToLower(c.Type)
	if i := strings.IndexAny(word, "( "); i >= 0 {
		word = word[:i]
	}
	switch word {
	case "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "bit", "vector",
		"geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
		"geometrycollection", "geomcollection":
		return formBinary
	case "float", "double", "real":
		return formFloat
	case "year":
		return formYear
	case "enum":
		return formEnum
	}
	return formText
}

// selected is the expression that reads a column.
func selected(c schema.Column) string {
	switch formOf(c) {
	case formFloat:
		return "CAST(" + ident(c.Name) + " AS DOUBLE)"
	case formYear:
		return "CAST(" + ident(c.Name) + " AS CHAR)"
	case formText, formBinary, formEnum:
	}
	// ZEROFILL is no part of a value; integers of that kind are unsigned.
	if t := strings.ToLower(c.Type); strings.Contains(t, "int") && strings.HasSuffix(t, "zerofill") {
		return "CAST(" + ident(c.Name) + " AS UNSIGNED)"
	}
	return ident(c.Name)
}
