package schema_test

import (
	"fmt"

	"mulligan/schema"
)

func ExampleParseName() {
	n, err := schema.ParseName(`shop."Order.Items"`)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(n.Schema)
	fmt.Println(n.Table)
	fmt.Println(n)
	// Output:
	// shop
	// Order.Items
	// shop."Order.Items"
}

func ExampleDiff() {
	before := []schema.Object{
		{Kind: "column", Name: "users.nick", Def: "varchar(20)"},
		{Kind: "index", Name: "users.by_nick", Def: "CREATE INDEX by_nick ON users (nick)"},
	}
	after := []schema.Object{
		{Kind: "column", Name: "users.nick", Def: "varchar(40)"},
		{Kind: "table", Name: "guilds", Def: "table"},
	}
	for _, c := range schema.Diff(before, after) {
		fmt.Println(c)
	}
	// Output:
	// column users.nick: was varchar(20), is varchar(40)
	// index users.by_nick: only in the old schema
	// table guilds: only in the new schema
}
