package engine_test

import (
	"fmt"

	"mulligan/engine"
	"mulligan/schema"
)

func ExampleParseURL() {
	u, err := engine.ParseURL("postgres://me:s3cret@db.example:5432/app?sslmode=require")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(u.Family(), u.Host(), u.Database())
	fmt.Println(u)
	fmt.Println(u.WithDatabase("other"))
	// Output:
	// PostgreSQL db.example:5432 app
	// postgres://me:***@db.example:5432/app?sslmode=require
	// postgres://me:***@db.example:5432/other?sslmode=require
}

func ExampleFamily_Table() {
	name := schema.Name{Table: "Order.Items"}
	fmt.Println("SELECT count(*) FROM " + engine.SQLite.Table(name))
	fmt.Println("SELECT count(*) FROM " + engine.MySQL.Table(name))
	// Output:
	// SELECT count(*) FROM "Order.Items"
	// SELECT count(*) FROM `Order.Items`
}

func ExampleScratchName() {
	name := engine.ScratchName("app", "9f3a1c", 63)
	fmt.Println(name, engine.IsScratchName(name))
	aside := engine.AsideName("app", "9f3a1c", 63)
	fmt.Println(aside, engine.IsScratchName(aside))
	// Output:
	// app__mulligan_9f3a1c true
	// app__mulligan_old_9f3a1c false
}
