package schema

// SameButName tells whether two objects of one kind and one table differ in nothing but a name that carries no meaning:
// an index's or a constraint's.
func SameButName(a, b Object) bool {
	return nameOnlyKind(a.Kind) && a.Kind == b.Kind &&
		sameButName(Change{Kind: a.Kind, Name: a.Name, Old: a.Def}, Change{Kind: b.Kind, Name: b.Name, New: b.Def})
}

// Siblings is the same for objects of one kind that belong to one table.
func Siblings(o Object) string {
	parent, _ := splitLast(o.Name)
	return o.Kind + " " + parent
}
