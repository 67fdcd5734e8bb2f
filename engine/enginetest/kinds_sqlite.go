package enginetest

import "strings"

const sqliteBase = `CREATE TABLE p (id INTEGER PRIMARY KEY, a INT, b TEXT, c VARCHAR(10));
CREATE TABLE ch (id INT, p_id INT, x INT NOT NULL, g INT GENERATED ALWAYS AS (x + 1) VIRTUAL, CONSTRAINT pos CHECK (x > 0), CONSTRAINT up FOREIGN KEY (p_id) REFERENCES p (id));
CREATE INDEX by_a ON p (a);
CREATE VIEW v AS SELECT a FROM p;
CREATE TRIGGER tr AFTER INSERT ON p BEGIN UPDATE p SET a = 1; END;
`

// instead replaces a table of the base by another.
func instead(table, text string) string { return "DROP TABLE " + table + "; " + text }

func sqliteKinds() []kind {
	const ch = "CREATE TABLE ch (id INT, p_id INT, x INT NOT NULL, g INT GENERATED ALWAYS AS (x + 1) VIRTUAL, CONSTRAINT pos CHECK (x > 0), CONSTRAINT up "
	return []kind{
		{name: "table", change: "CREATE TABLE more (id INT)", shows: "table more"},
		{name: "column added", change: "ALTER TABLE p ADD COLUMN d INT", shows: "column p.d"},
		{name: "column dropped", change: "ALTER TABLE p DROP COLUMN c", shows: "column p.c"},
		{name: "column type", before: "CREATE TABLE t (a INT)", change: instead("t", "CREATE TABLE t (a TEXT)"), shows: "column t.a"},
		{name: "column length", before: "CREATE TABLE t (a VARCHAR(10))", change: instead("t", "CREATE TABLE t (a VARCHAR(11))"), shows: "column t.a"},
		{name: "column default", before: "CREATE TABLE t (a INT DEFAULT 1)", change: instead("t", "CREATE TABLE t (a INT DEFAULT 2)"), shows: "column t.a"},
		{name: "column default's type", before: "CREATE TABLE t (a DEFAULT 1)", change: instead("t", "CREATE TABLE t (a DEFAULT '1')"), shows: "column t.a"},
		{name: "column nullability", before: "CREATE TABLE t (a INT)", change: instead("t", "CREATE TABLE t (a INT NOT NULL)"), shows: "column t.a"},
		{name: "column generated expression", before: "CREATE TABLE t (a INT, b INT AS (a))", change: instead("t", "CREATE TABLE t (a INT, b INT AS (a + 1))"), shows: "column t.b"},
		{name: "column stored", before: "CREATE TABLE t (a INT, b INT AS (a))", change: instead("t", "CREATE TABLE t (a INT, b INT AS (a) STORED)"), shows: "column t.b"},
		{name: "column collation", before: "CREATE TABLE t (a TEXT)", change: instead("t", "CREATE TABLE t (a TEXT COLLATE NOCASE)"), shows: "column t.a"},
		{name: "column position", before: "CREATE TABLE t (a INT, b INT)", change: instead("t", "CREATE TABLE t (b INT, a INT)"), shows: "column order t", apart: true},
		{name: "autoincrement", before: "CREATE TABLE t (a INTEGER PRIMARY KEY)", change: instead("t", "CREATE TABLE t (a INTEGER PRIMARY KEY AUTOINCREMENT)"), shows: "constraint t.PRIMARY"},
		{name: "primary key", before: "CREATE TABLE t (a INT)", change: instead("t", "CREATE TABLE t (a INT PRIMARY KEY)"), shows: "constraint t.PRIMARY"},
		{name: "primary key columns", before: "CREATE TABLE t (a INT, b INT, PRIMARY KEY (a))", change: instead("t", "CREATE TABLE t (a INT, b INT, PRIMARY KEY (a, b))"), shows: "constraint t.PRIMARY"},
		{name: "primary key order", before: "CREATE TABLE t (a INT, b INT, PRIMARY KEY (a, b))", change: instead("t", "CREATE TABLE t (a INT, b INT, PRIMARY KEY (b, a))"), shows: "constraint t.PRIMARY"},
		{name: "primary key that is no row number", before: "CREATE TABLE t (a INTEGER, PRIMARY KEY (a DESC))", change: instead("t", "CREATE TABLE t (a INTEGER PRIMARY KEY DESC)"), shows: "constraint t.PRIMARY"},
		{name: "unique", before: "CREATE TABLE t (a INT)", change: instead("t", "CREATE TABLE t (a INT CONSTRAINT one UNIQUE)"), shows: "constraint t.one"},
		{name: "conflict clause", before: "CREATE TABLE t (a INT, CONSTRAINT one UNIQUE (a))", change: instead("t", "CREATE TABLE t (a INT, CONSTRAINT one UNIQUE (a) ON CONFLICT IGNORE)"), shows: "constraint t.one"},
		{name: "index", change: "CREATE INDEX more ON p (b)", shows: "index p.more"},
		{name: "index unique", change: "DROP INDEX by_a; CREATE UNIQUE INDEX by_a ON p (a)", shows: "index p.by_a"},
		{name: "index columns", change: "DROP INDEX by_a; CREATE INDEX by_a ON p (a, b)", shows: "index p.by_a"},
		{name: "index order", change: "DROP INDEX by_a; CREATE INDEX by_a ON p (a DESC)", shows: "index p.by_a"},
		{name: "index predicate", change: "DROP INDEX by_a; CREATE INDEX by_a ON p (a) WHERE a > 0", shows: "index p.by_a"},
		{name: "index expression", change: "DROP INDEX by_a; CREATE INDEX by_a ON p (a + 1)", shows: "index p.by_a"},
		{name: "index collation", change: "DROP INDEX by_a; CREATE INDEX by_a ON p (a COLLATE RTRIM)", shows: "index p.by_a"},
		{name: "index name", change: "DROP INDEX by_a; CREATE INDEX by_aa ON p (a)", shows: "index p.by_a", apart: true},
		{name: "foreign key", change: instead("ch", ch+"UNIQUE (p_id))"), shows: "constraint ch.up"},
		{name: "foreign key target", before: "CREATE TABLE q (id INTEGER PRIMARY KEY)", change: instead("ch", ch+"FOREIGN KEY (p_id) REFERENCES q (id))"), shows: "constraint ch.up"},
		{name: "foreign key on delete", change: instead("ch", ch+"FOREIGN KEY (p_id) REFERENCES p (id) ON DELETE CASCADE)"), shows: "constraint ch.up"},
		{name: "foreign key restrict", change: instead("ch", ch+"FOREIGN KEY (p_id) REFERENCES p (id) ON DELETE RESTRICT)"), shows: "constraint ch.up"},
		{name: "foreign key on update", change: instead("ch", ch+"FOREIGN KEY (p_id) REFERENCES p (id) ON UPDATE SET NULL)"), shows: "constraint ch.up"},
		{name: "foreign key deferred", change: instead("ch", ch+"FOREIGN KEY (p_id) REFERENCES p (id) DEFERRABLE INITIALLY DEFERRED)"), shows: "constraint ch.up"},
		{name: "check", before: "CREATE TABLE t (a INT, CONSTRAINT ok CHECK (a > 0))", change: instead("t", "CREATE TABLE t (a INT, CONSTRAINT ok CHECK (a > 1))"), shows: "constraint t.ok"},
		{name: "constraint name", before: "CREATE TABLE t (a INT, CONSTRAINT ok CHECK (a > 0))", change: instead("t", "CREATE TABLE t (a INT, CONSTRAINT fine CHECK (a > 0))"), shows: "constraint t.ok", apart: true},
		{name: "view", change: "DROP VIEW v; CREATE VIEW v AS SELECT b FROM p", shows: "view v"},
		{name: "view literal", before: "CREATE VIEW w AS SELECT 'a' AS l", change: "DROP VIEW w; CREATE VIEW w AS SELECT 'A' AS l", shows: "view w"},
		{name: "trigger", change: "DROP TRIGGER tr", shows: "trigger p.tr"},
		{name: "trigger timing", change: "DROP TRIGGER tr; CREATE TRIGGER tr BEFORE INSERT ON p BEGIN UPDATE p SET a = 1; END", shows: "trigger p.tr"},
		{name: "trigger event", change: "DROP TRIGGER tr; CREATE TRIGGER tr AFTER DELETE ON p BEGIN UPDATE p SET a = 1; END", shows: "trigger p.tr"},
		{name: "trigger condition", change: "DROP TRIGGER tr; CREATE TRIGGER tr AFTER INSERT ON p WHEN NEW.a > 1 BEGIN UPDATE p SET a = 1; END", shows: "trigger p.tr"},
		{name: "trigger body", change: "DROP TRIGGER tr; CREATE TRIGGER tr AFTER INSERT ON p BEGIN UPDATE p SET a = 2; END", shows: "trigger p.tr"},
		{name: "strict", before: "CREATE TABLE t (a INT)", change: instead("t", "CREATE TABLE t (a INT) STRICT"), shows: "table t"},
		{name: "without rowid", before: "CREATE TABLE t (a INT PRIMARY KEY)", change: instead("t", "CREATE TABLE t (a INT PRIMARY KEY) WITHOUT ROWID"), shows: "table t"},
		{name: "virtual table", before: "CREATE VIRTUAL TABLE t USING fts5 (a)", change: instead("t", "CREATE VIRTUAL TABLE t USING fts5 (a, tokenize = 'porter')"), shows: "table t"},
	}
}

func sqlitePairs() []pair {
	const direct = `CREATE TABLE u (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL DEFAULT 'x', up INT REFERENCES u (id), CHECK (length(name) > 0));
		CREATE INDEX u_name ON u (name); CREATE VIEW seen AS SELECT name FROM u; CREATE TRIGGER u_t BEFORE DELETE ON u BEGIN UPDATE u SET name = 'a'; END`
	return []pair{
		{name: "a column added later", one: direct, two: strings.NewReplacer("name TEXT NOT NULL DEFAULT 'x', ", "", ", CHECK (length(name) > 0)", "").Replace(
			strings.Replace(direct, ";", "; ALTER TABLE u ADD COLUMN name TEXT NOT NULL DEFAULT 'x' CHECK (length(name) > 0);", 1)), apart: true},
		{name: "a column renamed", one: direct, two: strings.ReplaceAll(direct, "name", "label") + "; ALTER TABLE u RENAME COLUMN label TO name; DROP INDEX u_label; CREATE INDEX u_name ON u (name)"},
		{name: "a column dropped", one: direct, two: strings.Replace(direct, "up INT", "gone TEXT DEFAULT ',', up INT", 1) + "; ALTER TABLE u DROP COLUMN gone"},
		{name: "a table renamed", one: direct, two: strings.NewReplacer("TABLE u ", "TABLE was ", "ON u ", "ON was ", "FROM u;", "FROM was;", "REFERENCES u ", "REFERENCES was ", "UPDATE u", "UPDATE was").Replace(direct) + "; ALTER TABLE was RENAME TO u"},
		{name: "a table rebuilt", one: "CREATE TABLE u (id INTEGER PRIMARY KEY, name TEXT); CREATE INDEX u_name ON u (name)",
			two: `CREATE TABLE u (id INTEGER PRIMARY KEY, name VARCHAR(10)); CREATE TABLE "temporary_u" ("id" integer PRIMARY KEY, "name" text); INSERT INTO "temporary_u" SELECT id, name FROM u;
				DROP TABLE u; ALTER TABLE "temporary_u" RENAME TO "u"; CREATE INDEX "u_name" ON "u" ("name")`},
		{name: "quotes", one: "CREATE TABLE t (a INT, \"key\" INT, CHECK (a > 0))", two: "CREATE TABLE [t] ('a' INT, key INT, CHECK (`a` > 0))"},
		{name: "case", one: "CREATE TABLE t (a INT COLLATE NOCASE DEFAULT (lower('A')))", two: "create table t (a int collate nocase default (LOWER('A')))"},
		{name: "comments", one: "CREATE TABLE t (a INT, b TEXT)", two: "CREATE TABLE t ( -- first, the number\n\ta INT, /* ) */ b TEXT -- last\n)"},
		{name: "default null", one: "CREATE TABLE t (a INT)", two: "CREATE TABLE t (a INT NULL DEFAULT NULL)"},
		{name: "default in brackets", one: "CREATE TABLE t (a INT DEFAULT 1, b DEFAULT CURRENT_TIMESTAMP)", two: "CREATE TABLE t (a INT DEFAULT (1), b DEFAULT (current_timestamp))"},
		{name: "order of a column's constraints", one: "CREATE TABLE t (a INT NOT NULL DEFAULT 1 UNIQUE)", two: "CREATE TABLE t (a INT UNIQUE DEFAULT 1 NOT NULL)"},
		{name: "key beside its column", one: "CREATE TABLE t (a INTEGER PRIMARY KEY, b INT UNIQUE CHECK (b > 0) REFERENCES t (a))",
			two: "CREATE TABLE t (a INTEGER, b INT, PRIMARY KEY (a ASC), UNIQUE (b), CHECK (b > 0), FOREIGN KEY (b) REFERENCES t (a))"},
		{name: "name of a primary key", one: "CREATE TABLE t (a INT PRIMARY KEY)", two: "CREATE TABLE t (a INT, CONSTRAINT pk_t PRIMARY KEY (a))"},
		{name: "name of a constraint", one: "CREATE TABLE t (a INT UNIQUE)", two: "CREATE TABLE t (a INT, CONSTRAINT uq UNIQUE (a))", apart: true},
		{name: "name of an index", one: "CREATE TABLE t (a INT); CREATE INDEX x ON t (a)", two: "CREATE TABLE t (a INT); CREATE INDEX y ON t (a)", apart: true},
		{name: "no action", one: "CREATE TABLE t (a INT REFERENCES t (a))", two: "CREATE TABLE t (a INT REFERENCES t (a) ON DELETE NO ACTION ON UPDATE NO ACTION MATCH SIMPLE NOT DEFERRABLE)"},
		{name: "ascending index", one: "CREATE TABLE t (a INT); CREATE INDEX x ON t (a)", two: "CREATE TABLE t (a INT); CREATE INDEX IF NOT EXISTS main.x ON t (a ASC)"},
		{name: "generated always", one: "CREATE TABLE t (a INT, b INT GENERATED ALWAYS AS (a) VIRTUAL)", two: "CREATE TABLE t (a INT, b INT AS (a))"},
		{name: "binary collation", one: "CREATE TABLE t (a TEXT)", two: "CREATE TABLE t (a TEXT COLLATE BINARY)"},
		{name: "for each row", one: "CREATE TABLE t (a INT); CREATE TRIGGER x UPDATE ON t BEGIN SELECT 1; END",
			two: "CREATE TABLE t (a INT); CREATE TRIGGER x BEFORE UPDATE ON t FOR EACH ROW BEGIN SELECT 1; END"},
		{name: "order of options", one: "CREATE TABLE t (a INT PRIMARY KEY) STRICT, WITHOUT ROWID", two: "CREATE TABLE t (a INT PRIMARY KEY) without rowid, strict"},
	}
}
