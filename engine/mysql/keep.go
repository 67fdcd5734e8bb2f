package mysql

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"mulligan/engine"
	"mulligan/schema"
)

var (
	_ engine.Keeper     = (*DB)(nil)
	_ engine.Forecaster = (*Server)(nil)
)

// keepsake is the data of a [schema.Keepsake].
type keepsake struct {
	Why string `json:"why"` // why it cannot be given
}

// Keepsakes implements [engine.Keeper]. Grants belong to names, so that what takes a table's name takes its grants. Those on a
// single routine do not stay: to drop one drops them, for every account, and a swap makes routines anew
// (TestGrantsAfterRename; MySQL manual, automatic_sp_privileges). They are listed to be granted again.
func (db *DB) Keepsakes(ctx context.Context) ([]schema.Keepsake, error) {
	list, err := db.routineGrants(ctx)
	if err != nil {
		return nil, fmt.Errorf("look for grants on the routines of database %s: %w", db.name, mapped(err))
	}
	return list, nil
}

func (db *DB) routineGrants(ctx context.Context) ([]schema.Keepsake, error) {
	routines, err := texts(ctx, db.DB, "SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = ?", db.name)
	if err != nil || len(routines) == 0 {
		return nil, err
	}
	// The account itself gets its own again with the routine that it makes.
	rows, err := db.QueryContext(ctx, `SELECT Routine_type, Routine_name, User, Host, Proc_priv FROM mysql.procs_priv
		WHERE Db = ? AND CONCAT(User, '@', Host) <> CURRENT_USER() ORDER BY 1, 2, 3, 4`, db.name)
	if number(err) == 1142 { // the account may not read it
		return keepsakes("grants", "on routines", "they cannot be seen without SELECT on mysql.procs_priv, and the swap, which makes routines anew, takes them away: grant them again")
	}
	if err != nil {
		return nil, err
	}
	var list []schema.Keepsake
	err = eachRow(rows, func() error {
		var kind, name, user, host, may string
		if err := rows.Scan(&kind, &name, &user, &host, &may); err != nil {
			return err
		}
		who := literal(user) + "@" + literal(host)
		one, err := keepsakes("grant", strings.ToLower(kind)+" "+schema.Name{Table: name}.String()+" to "+who,
			"the swap makes the routine anew, and that takes its grants away; afterwards "+grantAgain(kind, ident(db.name)+"."+ident(name), who, may))
		list = append(list, one...)
		return err
	})
	return list, err
}

// grantAgain is the statement for a set of privileges as mysql.procs_priv holds them: "Execute,Alter Routine,Grant".
func grantAgain(kind, routine, who, may string) string {
	var privileges []string
	option := ""
	for p := range strings.SplitSeq(may, ",") {
		if p == "Grant" {
			option = " WITH GRANT OPTION"
		} else {
			privileges = append(privileges, strings.ToUpper(p))
		}
	}
	if len(privileges) == 0 {
		privileges = []string{"USAGE"}
	}
	return "GRANT " + strings.Join(privileges, ", ") + " ON " + kind + " " + routine + " TO " + who + option
}

func keepsakes(kind, name, why string) ([]schema.Keepsake, error) {
	data, err := json.Marshal(keepsake{Why: why})
	return []schema.Keepsake{{Kind: kind, Name: name, Data: data}}, err
}

// Keep implements [engine.Keeper]: there is nothing that another database can be given.
func (db *DB) Keep(_ context.Context, list []schema.Keepsake) ([]engine.Unkept, error) {
	return left(list)
}

// Forecast implements [engine.Forecaster].
func (s *Server) Forecast(_ context.Context, list []schema.Keepsake) ([]engine.Unkept, error) {
	return left(list)
}

func left(list []schema.Keepsake) ([]engine.Unkept, error) {
	var rest []engine.Unkept
	for _, k := range list {
		var data keepsake
		if err := json.Unmarshal(k.Data, &data); err != nil {
			return nil, fmt.Errorf("read what is to be kept of %s: %w", k.Key(), err)
		}
		rest = append(rest, engine.Unkept{Kind: k.Kind, Name: k.Name, Why: data.Why})
	}
	return rest, nil
}
