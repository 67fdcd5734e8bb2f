package migration

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"mulligan/engine"
)

func TestMovesData(t *testing.T) {
	all := []engine.Family{engine.Postgres, engine.MySQL, engine.MariaDB, engine.SQLite}
	postgres, mysql, sqlite := all[:1], all[1:3], all[3:]
	tests := []struct {
		on    []engine.Family
		text  string
		moves bool
	}{
		{all, "INSERT INTO t VALUES (1)", true},
		{all, "insert into t select 1", true},
		{all, "UPDATE t SET a = 1", true},
		{all, "DELETE FROM t", true},
		{all, "REPLACE INTO t VALUES (1)", true},
		{all, "-- CREATE\n/* ALTER */ INSERT INTO t VALUES (1)", true},
		{all, "(SELECT 1)", false},
		{all, "WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x", true},
		{all, "WITH x AS (SELECT 1) SELECT * FROM x", true},
		{all, "VALUES (1)", true},
		{all, "SELECT 1", false},
		{all, "SELECT a, count(*) FROM t WHERE a IN (1, 2) GROUP BY a", false},
		{all, "SELECT 'setval(' FROM t", false},
		{all, "SELECT fill_table()", true},
		{postgres, "SELECT setval('s', 7)", true},
		{postgres, "SELECT pg_catalog.setval('s', (SELECT max(id) FROM t))", true},
		{postgres, `SELECT "fill"(1)`, true},
		{postgres, "SELECT * INTO u FROM t", true},
		{postgres, "SELECT set_config('search_path', '', false)", false},
		{postgres, "SELECT pg_catalog.set_config('search_path', '', false)", false},
		{postgres, "SELECT pg_advisory_lock(1)", false},
		{mysql, "SELECT GET_LOCK('a', 1)", false},
		{mysql, "SELECT a INTO @x FROM t", true},
		{postgres, "MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE", true},
		{postgres, "COPY t FROM STDIN", true},
		{mysql, "LOAD DATA INFILE 'x' INTO TABLE t", true},
		{all, "CALL fill()", true},
		{postgres, "DO $$ BEGIN CREATE TYPE e AS ENUM (); END $$", true},
		{all, "EXECUTE stmt", true},
		{all, "TRUNCATE TABLE t", true},
		{all, "CREATE TABLE t (id int, b int DEFAULT (1 + 1))", false},
		{all, "CREATE TABLE t AS SELECT 1 AS a", true},
		{all, "CREATE TEMPORARY TABLE t AS SELECT 1 AS a", true},
		{all, "CREATE TABLE IF NOT EXISTS t AS SELECT 1 AS a", true},
		{postgres, "CREATE UNLOGGED TABLE t (a) AS (SELECT 1)", true},
		{postgres, "CREATE TABLE t AS VALUES (1)", true},
		{postgres, "CREATE TABLE t AS TABLE u", true},
		{postgres, "CREATE TABLE t AS SELECT 1 AS a WITH NO DATA", false},
		{postgres, "CREATE TABLE t (a int, b int GENERATED ALWAYS AS (a * 2) STORED)", false},
		{postgres, `CREATE TABLE t ("select" int)`, false},
		{mysql, "CREATE TABLE t SELECT 1 AS a", true},
		{mysql, "CREATE TABLE t (a int) IGNORE AS SELECT 1 AS a", true},
		{mysql, "CREATE TABLE t (`select` int, c varchar(9) DEFAULT 'select')", false},
		{mysql, "CREATE TABLE t LIKE u", false},
		{postgres, "CREATE TABLE p PARTITION OF t FOR VALUES FROM (1) TO (2)", false},
		{postgres, "CREATE MATERIALIZED VIEW v AS SELECT 1", false},
		{all, "CREATE VIEW v AS SELECT setval('s', 1)", false},
		{postgres, "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ INSERT INTO t VALUES (1) $$", false},
		{mysql, "CREATE PROCEDURE p() BEGIN INSERT INTO t SELECT 1; END", false},
		{sqlite, "CREATE TRIGGER g AFTER INSERT ON t BEGIN UPDATE u SET a = 1; END", false},
		{postgres, "CREATE RULE r AS ON INSERT TO v DO INSTEAD INSERT INTO t VALUES (1)", false},
		{all, "CREATE UNIQUE INDEX i ON t (a)", false},
		{all, "ALTER TABLE t ADD COLUMN b int NOT NULL DEFAULT 0", false},
		{all, "ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES u (a) ON DELETE CASCADE ON UPDATE SET NULL", false},
		{mysql, "ALTER TABLE t TRUNCATE PARTITION p0", true},
		{mysql, "ALTER TABLE t EXCHANGE PARTITION p0 WITH TABLE u", true},
		{mysql, "ALTER TABLE t ADD PARTITION (PARTITION p1 VALUES LESS THAN (9))", false},
		{all, "DROP TABLE t", false},
		{mysql, "RENAME TABLE t TO u", false},
		{all, "BEGIN", false}, {all, "COMMIT", false}, {all, "START TRANSACTION", false}, {all, "ROLLBACK", false}, {all, "SAVEPOINT x", false},
		{mysql, "SET @x = (SELECT max(a) FROM t)", false},
		{mysql, "USE other", false},
		{mysql, "LOCK TABLES t WRITE", false}, {mysql, "UNLOCK TABLES", false},
		{sqlite, "PRAGMA foreign_keys = OFF", false},
		{postgres, "COMMENT ON TABLE t IS 'delete from t'", false},
		{postgres, "GRANT INSERT, UPDATE, DELETE ON t TO u", false},
		{postgres, "REFRESH MATERIALIZED VIEW v", false},
		{postgres, "EXPLAIN INSERT INTO t VALUES (1)", false},
		{postgres, "EXPLAIN ANALYZE INSERT INTO t VALUES (1)", true},
		{postgres, "IMPORT FOREIGN SCHEMA s FROM SERVER x INTO y", false},
		{mysql, "/*!40101 SET NAMES utf8 */", false},
		{mysql, "/*!50003 INSERT INTO t VALUES (1) */", true},
		{mysql, "/*!40000 ALTER TABLE t DISABLE KEYS */", false},
		{mysql, "# a comment\nHANDLER t OPEN", true},
		{all, "SOMETHING NEW", true},
		{postgres, `\copy t from 'x'`, true},
		{all, "-- nothing", false}, {all, "", false},
	}
	for _, tt := range tests {
		for _, f := range tt.on {
			if got := len(MovesData(f, []Statement{{Text: tt.text}})) == 1; got != tt.moves {
				t.Errorf("%s: %q moves data: %t", f, tt.text, got)
			}
		}
	}
	list := Statements(engine.Postgres, "CREATE TABLE t (a int);\nINSERT INTO t VALUES (1);\nDROP TABLE u;\nUPDATE t SET a = 2;")
	if got := MovesData(engine.Postgres, list); len(got) != 2 || got[0].Line != 2 || got[1].Line != 4 {
		t.Errorf("of four statements: %v", got)
	}
}

func TestDataInCode(t *testing.T) {
	tests := []struct {
		text string
		want []int
	}{
		{"knex('users').insert({ a: 1 })", []int{1}},
		{"await knex('users')\n  .where('a', 1)\n  .update({ a: 2 })", []int{3}},
		{"return knex('users').del()\nawait knex('x').truncate()", []int{2}},
		{"DB::table('users')->update(['a' => 1]);", []int{1}},
		{"DB::table('users')\n    ->insertOrIgnore([]);", []int{2}},
		{"DB::statement('UPDATE users\n SET a = 1');", []int{1}},
		{"DB::statement(\"\n  INSERT INTO users\n  VALUES (1)\");", []int{2}},
		{"op.bulk_insert(table, [])", []int{1}},
		{"op.execute('DELETE FROM users')", []int{1}},
		{"op.execute(users.update().values(a=1))", []int{1}},
		{"op.execute(\"\"\"\n    UPDATE users\n    SET a = 1\n\"\"\")", []int{2}},
		{"session.add(User())\nsession.add_all(list)", []int{1, 2}},
		{"migrations.RunPython(forwards, backwards),", []int{1}},
		{"Role.objects.create(name='a')", []int{1}},
		{"Role.objects.bulk_create(list)", []int{1}},
		{"Role.objects.get_or_create(name='a')", []int{1}},
		{"role.save()", []int{1}},
		{"User.update_all(active: true)", []int{1}},
		{"User.create!(name: 'a')", []int{1}},
		{"User.find_each { |u| u.update_columns(a: 1) }", []int{1}},
		{"execute \"TRUNCATE users\"", []int{1}},
		{"execute <<~SQL\n  UPDATE users SET a = 1\nSQL", []int{2}},
		{"repo().insert_all(\"users\", rows)", []int{1}},
		{"Repo.delete_all(User)\nexecute(\"update users set a = 1\")", []int{1, 2}},
		{"queryInterface.bulkInsert('users', [])", []int{1}},
		{"await queryInterface.sequelize.query('INSERT INTO a VALUES (1)')", []int{1}},
		{"await queryRunner.query(`INSERT INTO \"a\" VALUES (1)`)", []int{1}},
		{"await queryRunner.query(`CREATE TABLE a AS SELECT 1`)", []int{1}},
		{"await queryRunner.query(`SELECT setval('s', 1)`)", []int{1}},
		{"await queryRunner.manager.save(user)", []int{1}},
		{"em->persist($user)", []int{1}},
		{"cursor.copy_from(f, 'users')\ncursor.executemany(sql, rows)", []int{1, 2}},
		{"cur.execute('COPY users FROM STDIN')", []int{1}},
		{"conn.execute('DO $$ BEGIN DELETE FROM t; END $$')", []int{1}},
		{"execute('CALL fill()')", []int{1}},
		{"s.replace(/'/g, '').trim()\nknex('x').insert({})\nlet a = 'x'", []int{1, 2}},
		// Nothing moves here.
		{"knex.schema.createTable('users', (t) => { t.increments('id'); t.timestamps(true) })", nil},
		{"t.integer('a').references('id').inTable('b').onDelete('CASCADE').onUpdate('CASCADE')", nil},
		{"table.foreign('a').onDelete('SET NULL')", nil},
		{"@ManyToOne(() => User, { onDelete: 'CASCADE', onUpdate: 'CASCADE' })", nil},
		{"{ insert: false, update: false }", nil},
		{"await queryRunner.query(`ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES c(id) ON DELETE CASCADE ON UPDATE CASCADE`)", nil},
		{"Schema::create('users', function (Blueprint $table) {\n $table->timestamp('updated_at'); $table->softDeletes(); });", nil},
		{"$table->foreignId('a')->constrained()->onDelete('cascade')->cascadeOnUpdate();", nil},
		{"$table->boolean('deleted'); $table->integer('insert_count');", nil},
		{"add_foreign_key :a, :b, on_delete: :cascade", nil},
		{"add :a, references(:b, on_delete: :delete_all, on_update: :update_all)", nil},
		{"create table(:users) do\n  add :name, :string\nend", nil},
		{"op.create_table('users', sa.Column('deleted', sa.Boolean()))", nil},
		{"op.create_foreign_key('f', 'a', 'b', ['x'], ['id'], ondelete='CASCADE', onupdate='CASCADE')", nil},
		{"models.ForeignKey(User, on_delete=models.CASCADE)", nil},
		{"t.enum('action', ['insert', 'update', 'delete'])", nil},
		{"// insert into users\nconst a = 1 /* update x set y */", nil},
		{"# insert into users\nx = 1 # delete", nil},
		{"\"\"\"update users\n\nRevision ID: 1\n\"\"\"\nimport sqlalchemy", nil},
		{"execute <<~SQL\n  ALTER TABLE a ADD CONSTRAINT f FOREIGN KEY (b) REFERENCES c\n  ON DELETE CASCADE\nSQL", nil},
		{"execute <<~SQL\n  CREATE TRIGGER g AFTER INSERT OR UPDATE ON a EXECUTE FUNCTION f()\nSQL", nil},
		{"DB::unprepared('CREATE TRIGGER g AFTER INSERT ON a FOR EACH ROW\n BEGIN UPDATE b SET c = 1; END');", nil},
		{"query(`CREATE FUNCTION f() RETURNS trigger AS $$ BEGIN DELETE FROM a; END $$`)", nil},
		{"query('-- delete from a\\n')\nthrow new Error('Do not run this')", nil},
		{"query('GRANT SELECT, INSERT, UPDATE ON a TO b')", nil},
		{"Object.create(null); this.#updated = 1", nil},
		{"", nil},
	}
	for _, tt := range tests {
		if got := DataInCode(tt.text); !slices.Equal(got, tt.want) {
			t.Errorf("%q: lines %v, want %v", tt.text, got, tt.want)
		}
	}
}

func TestNamesDatabase(t *testing.T) {
	tests := []struct {
		family engine.Family
		text   string
		want   []int
	}{
		{engine.MySQL, "USE other;\nCREATE TABLE a (id int);", []int{1}},
		{engine.MySQL, "CREATE TABLE a (id int);\n-- x\nuse `app`;", []int{3}},
		{engine.MySQL, "SELECT * FROM a\nUSE INDEX (i);", nil},
		{engine.MySQL, "SELECT * FROM (SELECT 1)\nUSE INDEX (i);", nil},
		{engine.MySQL, "DELIMITER //\nUSE x//\nDROP DATABASE y//", []int{2, 3}},
		{engine.MySQL, "CREATE DATABASE IF NOT EXISTS app;\nDROP SCHEMA x;\nALTER DATABASE app CHARACTER SET utf8mb4", []int{1, 2, 3}},
		{engine.MariaDB, "CREATE OR REPLACE DATABASE app", []int{1}},
		{engine.MariaDB, "/*!40101 CREATE DATABASE app */;", []int{1}},
		{engine.MySQL, "INSERT INTO `app`.`t` VALUES (1);\nUPDATE app.t SET a = 1;\nSELECT * FROM app . t;", []int{1, 2, 3}},
		{engine.MySQL, "GRANT ALL ON app.* TO x", []int{1}},
		{engine.MySQL, "ALTER TABLE t ADD FOREIGN KEY (a)\nREFERENCES APP.u (id)", []int{2}},
		{engine.MySQL, "SELECT 'app.t', \"app.t\" -- app.t\n# app.t\n/* app.t */", nil},
		{engine.MySQL, "SELECT x.app.a, application.t, apps.t, app FROM my_app.t", nil},
		{engine.MySQL, "CREATE USER 'x'@app.local", nil},
		{engine.MySQL, "CREATE TABLE `use` (`database` int); ALTER TABLE t DROP COLUMN a", nil},
		{engine.MySQL, "INSERT INTO t VALUES (1.5, app)", nil},
		{engine.Postgres, "CREATE DATABASE x;\nDROP DATABASE app;\nALTER DATABASE app SET a = 1;", []int{1, 2, 3}},
		{engine.Postgres, "CREATE ROLE r;\nCREATE USER u;\nDROP ROLE r;\nALTER USER u PASSWORD 'x';\nCREATE GROUP g;", []int{1, 2, 3, 4, 5}},
		{engine.Postgres, "CREATE TABLESPACE s LOCATION 'x';\nALTER SYSTEM SET a = 1;", []int{1, 2}},
		{engine.Postgres, "\\connect other\nCREATE TABLE a (id int);\n\\c app", []int{1, 3}},
		{engine.Postgres, "DO $$\nBEGIN\n  IF true THEN\n    CREATE ROLE r;\n  END IF;\nEND\n$$;", []int{4}},
		{engine.Postgres, "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$\nBEGIN CREATE ROLE r; END $$", nil},
		{engine.Postgres, "ALTER TABLE t DROP role;\nALTER TABLE t ALTER\nuser DROP DEFAULT", nil},
		{engine.Postgres, "CREATE USER MAPPING FOR u SERVER s;\nGRANT ALL ON DATABASE x TO y; CREATE SCHEMA s;", nil},
		{engine.Postgres, "SELECT app.t.a FROM app.t;\n-- CREATE ROLE r\nSELECT 'DROP DATABASE x', E'\\connect'", nil},
		{engine.SQLite, "ATTACH 'x.db' AS x;\nattach database 'y' as y;\nCREATE TABLE attach (a int)", []int{1, 2}},
		{engine.SQLite, "CREATE TABLE a (id int);\nDETACH x;", nil},
		{engine.MySQL, "", nil},
	}
	for _, tt := range tests {
		if got := NamesDatabase(tt.family, tt.text, "app"); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q: lines %v, want %v", tt.family, tt.text, got, tt.want)
		}
	}
	if got := NamesDatabase(engine.MySQL, "SELECT * FROM .t", ""); got != nil {
		t.Errorf("without a database: %v", got)
	}
}

// TestLongInput: what would take the square of its length in a careless reader takes no time to speak of.
func TestLongInput(t *testing.T) {
	const times = 50_000
	for _, part := range []string{"insert\n", "\\'\n", "'\n\\'", "\"\"\"\n'", "DO BEGIN $a$ ", "a.b\n", "/* ' \n", "USE x;\n", "`\n#", "('DELETE FROM t',\n"} {
		text := strings.Repeat(part, times)
		start := time.Now()
		DataInCode(text)
		NamesDatabase(engine.Postgres, text, "a")
		NamesDatabase(engine.MySQL, text, "a")
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("%q %d times took %s", part, times, took)
		}
	}
}

func FuzzData(f *testing.F) {
	for _, text := range []string{"DO $a$ CREATE ROLE r $a$; \\c x", "/*!5 INSERT */ 'a", "knex('a').insert(`b`) # \"\"\"c\nd\"\"\"", "CREATE TABLE `a` SELECT [b", "x.y?->z::w :q $'"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		lines := 1 + strings.Count(text, "\n")
		check := func(what string, got []int) {
			if !slices.IsSorted(got) || len(got) > 0 && (got[0] < 1 || got[len(got)-1] > lines) {
				t.Fatalf("%s: lines %v of %d", what, got, lines)
			}
		}
		check("code", DataInCode(text))
		for _, family := range []engine.Family{engine.Postgres, engine.MySQL, engine.MariaDB, engine.SQLite} {
			check(fmt.Sprint(family), NamesDatabase(family, text, "a"))
			list := Statements(family, text)
			if got := MovesData(family, list); len(got) > len(list) {
				t.Fatalf("%s: %d of %d statements", family, len(got), len(list))
			}
		}
	})
}
