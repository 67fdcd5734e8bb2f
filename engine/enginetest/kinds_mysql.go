package enginetest

const mysqlBase = `CREATE TABLE p (id int NOT NULL PRIMARY KEY, a int, b text, c varchar(10), KEY by_a (a));
CREATE TABLE q (id int NOT NULL PRIMARY KEY);
CREATE TABLE ch (id int, p_id int, x int NOT NULL, g int GENERATED ALWAYS AS (x + 1) STORED, KEY by_p (p_id), CONSTRAINT pos CHECK (x > 0),
	CONSTRAINT up FOREIGN KEY (p_id) REFERENCES p (id));
CREATE VIEW v AS SELECT a FROM p;
CREATE FUNCTION f(n int) RETURNS int DETERMINISTIC RETURN n;
CREATE PROCEDURE act() SELECT 1;
CREATE TRIGGER tr AFTER INSERT ON p FOR EACH ROW SET @x = 1;
CREATE EVENT ev ON SCHEDULE EVERY 1 DAY DISABLE DO SELECT 1;
CREATE TABLE parts (id int NOT NULL) PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN (20));
`

func mysqlKinds() []kind {
	const newTrigger = "DROP TRIGGER tr; CREATE TRIGGER tr "
	return []kind{
		{name: "table", change: "CREATE TABLE more (id int)", shows: "table more"},
		{name: "column added", change: "ALTER TABLE p ADD d int", shows: "column p.d"},
		{name: "column dropped", change: "ALTER TABLE p DROP c", shows: "column p.c"},
		{name: "column type", change: "ALTER TABLE p MODIFY c text", shows: "column p.c"},
		{name: "column length", change: "ALTER TABLE p MODIFY c varchar(11)", shows: "column p.c"},
		{name: "column unsigned", change: "ALTER TABLE p MODIFY a int unsigned", shows: "column p.a"},
		{name: "column default", change: "ALTER TABLE p MODIFY c varchar(10) DEFAULT 'x'", shows: "column p.c"},
		{name: "column on update", before: "CREATE TABLE t (a timestamp NULL)", change: "ALTER TABLE t MODIFY a timestamp NULL ON UPDATE CURRENT_TIMESTAMP", shows: "column t.a"},
		{name: "column nullability", change: "ALTER TABLE p MODIFY c varchar(10) NOT NULL", shows: "column p.c"},
		{name: "column auto increment", change: "SET foreign_key_checks = 0; ALTER TABLE q MODIFY id int NOT NULL AUTO_INCREMENT", shows: "column q.id"},
		{name: "column generated expression", change: "ALTER TABLE ch DROP g, ADD g int GENERATED ALWAYS AS (x + 2) STORED", shows: "column ch.g"},
		{name: "column stored", change: "ALTER TABLE ch DROP g, ADD g int GENERATED ALWAYS AS (x + 1) VIRTUAL", shows: "column ch.g"},
		{name: "column character set", change: "ALTER TABLE p MODIFY c varchar(10) CHARACTER SET latin1", shows: "column p.c"},
		{name: "column collation", change: "ALTER TABLE p MODIFY c varchar(10) COLLATE utf8mb4_bin", shows: "column p.c"},
		{name: "column comment", change: "ALTER TABLE p MODIFY c varchar(10) COMMENT 'x'", shows: "column p.c"},
		{name: "column invisible", change: "ALTER TABLE p MODIFY c varchar(10) INVISIBLE", shows: "column p.c"},
		{name: "column position", change: "ALTER TABLE p MODIFY c varchar(10) FIRST", shows: "column order p", apart: true},
		{name: "enum values", before: "CREATE TABLE t (a enum('x','y'))", change: "ALTER TABLE t MODIFY a enum('x','y','z')", shows: "column t.a"},
		{name: "enum order", before: "CREATE TABLE t (a enum('x','y'))", change: "ALTER TABLE t MODIFY a enum('y','x')", shows: "column t.a"},
		{name: "primary key columns", change: "ALTER TABLE q ADD n int NOT NULL, DROP PRIMARY KEY, ADD PRIMARY KEY (id, n)", shows: "index q.PRIMARY"},
		{name: "primary key order", before: "CREATE TABLE t (a int NOT NULL, b int NOT NULL, PRIMARY KEY (a, b))", change: "ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (b, a)", shows: "index t.PRIMARY"},
		{name: "unique", change: "ALTER TABLE p DROP KEY by_a, ADD UNIQUE KEY by_a (a)", shows: "index p.by_a"},
		{name: "index", change: "CREATE INDEX more ON p (c)", shows: "index p.more"},
		{name: "index columns", change: "ALTER TABLE p DROP KEY by_a, ADD KEY by_a (a, c)", shows: "index p.by_a"},
		{name: "index order", change: "ALTER TABLE p DROP KEY by_a, ADD KEY by_a (a DESC)", shows: "index p.by_a"},
		{name: "index prefix", before: "CREATE INDEX by_c ON p (c)", change: "ALTER TABLE p DROP KEY by_c, ADD KEY by_c (c(5))", shows: "index p.by_c"},
		{name: "index method", before: "CREATE TABLE t (a int, KEY k (a)) ENGINE=MEMORY", change: "ALTER TABLE t DROP KEY k, ADD KEY k (a) USING BTREE", shows: "index t.k"},
		{name: "index fulltext", before: "CREATE INDEX by_c ON p (c)", change: "ALTER TABLE p DROP KEY by_c, ADD FULLTEXT KEY by_c (c)", shows: "index p.by_c"},
		{name: "index spatial", before: "CREATE TABLE t (a point NOT NULL)", change: "CREATE SPATIAL INDEX sp ON t (a)", shows: "index t.sp"},
		{name: "index comment", change: "ALTER TABLE p DROP KEY by_a, ADD KEY by_a (a) COMMENT 'x'", shows: "index p.by_a"},
		{name: "index name", change: "ALTER TABLE p RENAME KEY by_a TO by_aa", shows: "index p.by_a", apart: true},
		{name: "foreign key", change: "ALTER TABLE ch DROP FOREIGN KEY up", shows: "constraint ch.up"},
		{name: "foreign key target", change: "ALTER TABLE ch DROP FOREIGN KEY up; ALTER TABLE ch ADD CONSTRAINT up FOREIGN KEY (p_id) REFERENCES q (id)", shows: "constraint ch.up"},
		{name: "foreign key on delete", change: "ALTER TABLE ch DROP FOREIGN KEY up; ALTER TABLE ch ADD CONSTRAINT up FOREIGN KEY (p_id) REFERENCES p (id) ON DELETE CASCADE", shows: "constraint ch.up"},
		{name: "foreign key on update", change: "ALTER TABLE ch DROP FOREIGN KEY up; ALTER TABLE ch ADD CONSTRAINT up FOREIGN KEY (p_id) REFERENCES p (id) ON UPDATE SET NULL", shows: "constraint ch.up"},
		{name: "check", change: "ALTER TABLE ch DROP CONSTRAINT pos, ADD CONSTRAINT pos CHECK (x > 1)", shows: "constraint ch.pos"},
		{name: "constraint name", change: "ALTER TABLE ch DROP CONSTRAINT pos, ADD CONSTRAINT posi CHECK (x > 0)", shows: "constraint ch.pos", apart: true},
		{name: "view", change: "CREATE OR REPLACE VIEW v AS SELECT a FROM p WHERE a > 0", shows: "view v"},
		{name: "view check option", change: "CREATE OR REPLACE VIEW v AS SELECT a FROM p WHERE a > 0 WITH CHECK OPTION", shows: "view v"},
		{name: "view algorithm", change: "CREATE OR REPLACE ALGORITHM = TEMPTABLE VIEW v AS SELECT a FROM p", shows: "view v"},
		{name: "view security", change: "CREATE OR REPLACE SQL SECURITY INVOKER VIEW v AS SELECT a FROM p", shows: "view v"},
		{name: "trigger", change: "DROP TRIGGER tr", shows: "trigger p.tr"},
		{name: "trigger timing", change: newTrigger + "BEFORE INSERT ON p FOR EACH ROW SET @x = 1", shows: "trigger p.tr"},
		{name: "trigger event", change: newTrigger + "AFTER UPDATE ON p FOR EACH ROW SET @x = 1", shows: "trigger p.tr"},
		{name: "trigger body", change: newTrigger + "AFTER INSERT ON p FOR EACH ROW SET @x = 2", shows: "trigger p.tr"},
		{name: "trigger order", change: "CREATE TRIGGER t0 AFTER INSERT ON p FOR EACH ROW PRECEDES tr SET @y = 1", shows: "trigger p.tr"},
		{name: "trigger mode", change: "SET sql_mode = ''; " + newTrigger + "AFTER INSERT ON p FOR EACH ROW SET @x = 1", shows: "trigger p.tr"},
		{name: "function body", change: "DROP FUNCTION f; CREATE FUNCTION f(n int) RETURNS int DETERMINISTIC RETURN n + 1", shows: "function f"},
		{name: "function volatility", change: "DROP FUNCTION f; CREATE FUNCTION f(n int) RETURNS int NO SQL RETURN n", shows: "function f"},
		{name: "function security", change: "ALTER FUNCTION f SQL SECURITY INVOKER", shows: "function f"},
		{name: "procedure", change: "DROP PROCEDURE act; CREATE PROCEDURE act() SELECT 2", shows: "procedure act"},
		{name: "event", change: "ALTER EVENT ev DO SELECT 2", shows: "event ev"},
		{name: "event schedule", change: "ALTER EVENT ev ON SCHEDULE EVERY 2 DAY", shows: "event ev"},
		{name: "event enabled", change: "ALTER EVENT ev ENABLE", shows: "event ev"},
		{name: "partition bounds", change: "ALTER TABLE parts REORGANIZE PARTITION p1 INTO (PARTITION p1 VALUES LESS THAN (30))", shows: "table parts"},
		{name: "partition added", change: "ALTER TABLE parts ADD PARTITION (PARTITION p2 VALUES LESS THAN (30))", shows: "table parts"},
		{name: "partitions of a table", change: "ALTER TABLE parts REMOVE PARTITIONING", shows: "table parts"},
		{name: "table row format", change: "ALTER TABLE p ROW_FORMAT = COMPRESSED", shows: "table p"},
		{name: "table engine", before: "CREATE TABLE t (a int)", change: "ALTER TABLE t ENGINE = MyISAM", shows: "table t"},
		{name: "table character set", change: "ALTER TABLE p DEFAULT CHARACTER SET latin1", shows: "table p"},
		{name: "table collation", change: "ALTER TABLE p DEFAULT COLLATE utf8mb4_bin", shows: "table p"},
		{name: "table comment", change: "ALTER TABLE p COMMENT 'x'", shows: "table p"},
	}
}

func mysqlOwnKinds() []kind {
	return []kind{
		{name: "column generated key", before: "CREATE TABLE t (a json)", change: "ALTER TABLE t ADD KEY k ((CAST(a->'$.x' AS UNSIGNED ARRAY)))", shows: "index t.k"},
		{name: "index expression", change: "ALTER TABLE p DROP KEY by_a, ADD KEY by_a ((a + 1))", shows: "index p.by_a"},
		{name: "index invisible", change: "ALTER TABLE p ALTER INDEX by_a INVISIBLE", shows: "index p.by_a"},
		{name: "check not enforced", change: "ALTER TABLE ch ALTER CHECK pos NOT ENFORCED", shows: "constraint ch.pos"},
		{name: "column srid", before: "CREATE TABLE t (a point NOT NULL)", change: "ALTER TABLE t MODIFY a point NOT NULL SRID 4326", shows: "column t.a"},
		{name: "column default expression", change: "ALTER TABLE p MODIFY c varchar(10) DEFAULT (uuid())", shows: "column p.c"},
	}
}

func mariadbKinds() []kind {
	return []kind{
		{name: "sequence", change: "CREATE SEQUENCE s", shows: "sequence s"},
		{name: "sequence increment", before: "CREATE SEQUENCE s", change: "ALTER SEQUENCE s INCREMENT 2", shows: "sequence s"},
		{name: "sequence cache", before: "CREATE SEQUENCE s", change: "ALTER SEQUENCE s CACHE 7", shows: "sequence s"},
		{name: "sequence cycle", before: "CREATE SEQUENCE s", change: "ALTER SEQUENCE s CYCLE", shows: "sequence s"},
		{name: "index ignored", change: "ALTER TABLE p ALTER INDEX by_a IGNORED", shows: "index p.by_a"},
		{name: "column compressed", change: "ALTER TABLE p MODIFY b text COMPRESSED", shows: "column p.b"},
		{name: "column check", change: "ALTER TABLE p MODIFY a int CHECK (a > 0)", shows: "column p.a"},
		{name: "system versioning", change: "ALTER TABLE q ADD SYSTEM VERSIONING", shows: "table q"},
		{name: "column default expression", change: "ALTER TABLE p MODIFY c varchar(10) DEFAULT uuid()", shows: "column p.c"},
		{name: "period", before: "CREATE TABLE t (a date NOT NULL, b date NOT NULL)", change: "ALTER TABLE t ADD PERIOD FOR span (a, b)", shows: "constraint t.\"PERIOD FOR `span` (`a`, `b`)\""},
		{name: "page compression", change: "ALTER TABLE p PAGE_COMPRESSED = 1", shows: "table p"},
	}
}

func mysqlPairs() []pair {
	const parent = "CREATE TABLE p (id int NOT NULL PRIMARY KEY); "
	return []pair{
		{name: "synonyms of types", one: "CREATE TABLE t (a int, b decimal(10,0), c double, d varchar(5), e char(1), f smallint)",
			two: "CREATE TABLE t (a INTEGER, b NUMERIC, c DOUBLE PRECISION, d CHARACTER VARYING(5), e CHARACTER, f INT2)"},
		{name: "bool", one: "CREATE TABLE t (a bool DEFAULT true, b boolean)", two: "CREATE TABLE t (a tinyint(1) DEFAULT 1, b tinyint(1) DEFAULT NULL)"},
		{name: "default null", one: "CREATE TABLE t (a int)", two: "CREATE TABLE t (a int NULL DEFAULT NULL)"},
		{name: "default now", one: "CREATE TABLE t (a datetime DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP)", two: "CREATE TABLE t (a datetime DEFAULT now() ON UPDATE LOCALTIMESTAMP())"},
		{name: "quotes and case", one: "CREATE TABLE t (a int, KEY k (a))", two: "create table `t` (`a` INT, index `k` using btree (`a` ASC))"},
		{name: "key and index", one: "CREATE TABLE t (a int, b int, INDEX x (a), UNIQUE INDEX y (b))", two: "CREATE TABLE t (a int, b int UNIQUE KEY); CREATE INDEX x ON t (a); ALTER TABLE t RENAME KEY b TO y"},
		{name: "default character set", one: "CREATE TABLE t (a varchar(5), b text)",
			two: "SET @d = (SELECT DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = DATABASE()); SET @s = CONCAT('CREATE TABLE t (a varchar(5) CHARACTER SET utf8mb4 COLLATE ', @d, ', b text COLLATE ', @d, ') ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=', @d); PREPARE x FROM @s; EXECUTE x"},
		{name: "restrict and no action", one: parent + "CREATE TABLE t (a int, CONSTRAINT fk FOREIGN KEY (a) REFERENCES p (id))",
			two: parent + "CREATE TABLE t (a int, CONSTRAINT fk FOREIGN KEY (a) REFERENCES p (id) ON DELETE RESTRICT ON UPDATE NO ACTION)"},
		{name: "restrict beside cascade", one: parent + "CREATE TABLE t (a int, CONSTRAINT fk FOREIGN KEY (a) REFERENCES p (id) ON UPDATE CASCADE)",
			two: parent + "CREATE TABLE t (a int, CONSTRAINT fk FOREIGN KEY (a) REFERENCES p (id) ON DELETE NO ACTION ON UPDATE CASCADE)"},
		{name: "name of a foreign key and its index", one: parent + "CREATE TABLE t (a int, FOREIGN KEY (a) REFERENCES p (id))",
			two: parent + "CREATE TABLE t (a int, CONSTRAINT `FK_5a8ffbda` FOREIGN KEY (a) REFERENCES p (id))", apart: true},
		{name: "name of a foreign key with an index of its own", one: parent + "CREATE TABLE t (a int, KEY by_a (a), CONSTRAINT fk FOREIGN KEY (a) REFERENCES p (id))",
			two: parent + "CREATE TABLE t (a int, CONSTRAINT fk FOREIGN KEY (a) REFERENCES p (id))", apart: true},
		{name: "name of an index", one: "CREATE TABLE t (a int, KEY (a))", two: "CREATE TABLE t (a int, KEY `the ``x``` (a))", apart: true},
		{name: "name of a unique index", one: "CREATE TABLE t (a int UNIQUE)", two: "CREATE TABLE t (a int, CONSTRAINT uq UNIQUE (a))", apart: true},
		{name: "name of a primary key", one: "CREATE TABLE t (a int PRIMARY KEY)", two: "CREATE TABLE t (a int NOT NULL, CONSTRAINT pk PRIMARY KEY (a))"},
		{name: "name of a check", one: "CREATE TABLE t (a int, CHECK (a > 0))", two: "CREATE TABLE t (a int, CONSTRAINT pos CHECK (a > 0))", apart: true},
		{name: "names that change places", one: "CREATE TABLE t (a int, b int, KEY x (a), KEY y (b))", two: "CREATE TABLE t (a int, b int, KEY y (a), KEY x (b))", apart: true},
		{name: "order of indexes", one: "CREATE TABLE t (a int, b int, KEY x (a), KEY y (b))", two: "CREATE TABLE t (a int, b int, KEY y (b), KEY x (a))"},
		{name: "order of columns", one: "CREATE TABLE t (a int, b int)", two: "CREATE TABLE t (b int, a int)", apart: true},
		{name: "auto increment", one: "CREATE TABLE t (a int AUTO_INCREMENT PRIMARY KEY)", two: "CREATE TABLE t (a int AUTO_INCREMENT PRIMARY KEY) AUTO_INCREMENT = 7 COMMENT ''"},
		{name: "serial", one: "CREATE TABLE t (a serial)", two: "CREATE TABLE t (a bigint unsigned NOT NULL AUTO_INCREMENT UNIQUE)"},
		{name: "order of a column's options", one: "CREATE TABLE t (a int NOT NULL DEFAULT 1 COMMENT 'c')", two: "CREATE TABLE t (a int COMMENT 'c' DEFAULT 1 NOT NULL)"},
		{name: "generated always", one: "CREATE TABLE t (a int, b int GENERATED ALWAYS AS (a + 1) VIRTUAL)", two: "CREATE TABLE t (a int, b int AS (a + 1))"},
		{name: "a table altered", one: "CREATE TABLE t (a int NOT NULL DEFAULT 1, b int, KEY k (b))",
			two: "CREATE TABLE u (a bigint); ALTER TABLE u RENAME TO t, ADD b int, ADD KEY k (b); ALTER TABLE t MODIFY a int NOT NULL DEFAULT 1"},
		{name: "a semicolon behind", one: "CREATE TABLE t (a int); CREATE PROCEDURE p() BEGIN SELECT 1; END; CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW SET @a = 1",
			two: "CREATE TABLE t (a int); CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW SET @a = 1; CREATE PROCEDURE p() BEGIN SELECT 1; END"},
		{name: "names with the database", one: "CREATE TABLE t (a int); CREATE VIEW v AS SELECT a FROM t; CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW SET @a = 1",
			two: "CREATE TABLE t (a int); SET @s = CONCAT('CREATE VIEW v AS SELECT t.a AS a FROM ', DATABASE(), '.t'); PREPARE x FROM @s; EXECUTE x; CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW SET @a = 1"},
	}
}

func mysqlOwnPairs() []pair {
	return []pair{
		{name: "display width", one: "CREATE TABLE t (a int, b bigint unsigned)", two: "CREATE TABLE t (a int(11), b bigint(20) unsigned)"},
		{name: "utf8 by its old name", one: "CREATE TABLE t (a varchar(5) CHARACTER SET utf8mb3)", two: "CREATE TABLE t (a varchar(5) CHARACTER SET utf8)"},
		{name: "check enforced", one: "CREATE TABLE t (a int, CONSTRAINT c CHECK (a > 0))", two: "CREATE TABLE t (a int, CONSTRAINT c CHECK (a > 0) ENFORCED)"},
	}
}

func mariadbPairs() []pair {
	return []pair{
		{name: "display width", one: "CREATE TABLE t (a int, b bigint unsigned)", two: "CREATE TABLE t (a int(11), b bigint(20) unsigned)"},
		{name: "json", one: "CREATE TABLE t (a json)", two: "CREATE TABLE t (a longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin CHECK (json_valid(a)))"},
	}
}
