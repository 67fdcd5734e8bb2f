package engine

import (
	"context"

	"mulligan/schema"
)

// Keeper is a database that can give what it has besides schema and rows to another one.
type Keeper interface {
	// Keepsakes lists what belongs to the database and may be kept when it is made anew, in an order in which it can be given.
	// Two looks at one database give the same.
	Keepsakes(ctx context.Context) ([]schema.Keepsake, error)
	// Keep gives the database those of the list that it has otherwise or lacks, all in one step, and gives back what it could
	// not give, or not wholly. What the list does not name stays as it is. It may be done again, and then changes nothing.
	// The error is that of the server or of ctx: then nothing was given.
	Keep(ctx context.Context, list []schema.Keepsake) ([]Unkept, error)
}

// Forecaster is a server that knows before what Keep will give back, as far as that does not depend on the database.
type Forecaster interface {
	// Forecast must not change anything. A keepsake may be in it more than once.
	Forecast(ctx context.Context, list []schema.Keepsake) ([]Unkept, error)
}

// Unkept is a keepsake that cannot be given, or not wholly, and why.
type Unkept struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	Why  string `json:"why"`
	// Refused tells that the server did not let us. Else there is nothing to be given any more: what it is about, or
	// the role that it names, is not there; or it is of a kind that no database takes from another.
	Refused bool `json:"refused,omitempty"`
}

// String says it in one line, for people.
func (u Unkept) String() string { return u.Kind + " " + u.Name + ": " + u.Why }
