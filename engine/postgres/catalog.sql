-- The catalog's rows that belong to the database, as both inspect.sql and keep.sql, which follow it, name them.
-- Both run with an empty search_path, so that regclass, regtype and the definition functions qualify every name.
-- What belongs to an extension, to the server or to one session is left out.
WITH ext AS MATERIALIZED (
	SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
),
nsp AS MATERIALIZED (
	SELECT oid, nspname, nspowner, nspacl FROM pg_namespace
	WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
),
rel AS MATERIALIZED (
	SELECT c.oid, n.nspname, c.relname, c.relkind, c.relowner, c.relacl, c.relpersistence, c.relam, c.reltablespace,
		c.relrowsecurity, c.relforcerowsecurity, c.relreplident, c.reloptions, c.relispartition, c.relpartbound,
		c.reloftype, c.reltoastrelid, o.relname IS NOT NULL AS owned,
		-- what is said of a table's own sequence goes with the table
		CASE WHEN o.relname IS NULL THEN ARRAY[n.nspname, c.relname] ELSE ARRAY[n.nspname, o.relname, c.relname] END::text[] AS path
	FROM pg_class c JOIN nsp n ON n.oid = c.relnamespace
		LEFT JOIN pg_depend d ON c.relkind = 'S' AND d.classid = 'pg_class'::regclass AND d.objid = c.oid
			AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
		LEFT JOIN pg_class o ON o.oid = d.refobjid
	WHERE c.relpersistence <> 't' AND c.relkind IN ('r', 'p', 'f', 'v', 'm', 'c', 'S')
		AND NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_class'::regclass AND objid = c.oid)
		AND NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_type'::regclass AND objid = c.reltype AND c.relkind = 'c')
),
fun AS MATERIALIZED (
	SELECT p.oid, n.nspname, p.proname, p.prokind, p.proowner, p.proacl,
		'(' || pg_get_function_identity_arguments(p.oid) || ')' AS args
	FROM pg_proc p JOIN nsp n ON n.oid = p.pronamespace
	WHERE NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_proc'::regclass AND objid = p.oid)
		-- the constructors of a range type come and go with it
		AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'i'
			AND d.refclassid = 'pg_type'::regclass)
),
typ AS MATERIALIZED (
	SELECT t.oid, n.nspname, t.typname, t.typtype, t.typowner, t.typacl, t.typbasetype, t.typtypmod, t.typnotnull,
		t.typdefault, t.typcollation, t.typinput, t.typoutput, t.typlen, t.typalign, t.typstorage, t.typcategory
	FROM pg_type t JOIN nsp n ON n.oid = t.typnamespace
	WHERE t.typtype IN ('b', 'd', 'e', 'r', 'c') AND t.typisdefined
		AND (t.typrelid = 0 OR EXISTS (SELECT FROM rel WHERE rel.oid = t.typrelid AND rel.relkind = 'c'))
		AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid)
		AND NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_type'::regclass AND objid = t.oid)
),
con AS MATERIALIZED (
	SELECT c.oid, r.nspname, r.relname, c.conrelid, c.conname, c.contype, c.conislocal, c.coninhcount, c.convalidated
	FROM pg_constraint c JOIN rel r ON r.oid = c.conrelid
	WHERE c.contype <> 't' AND NOT (c.contype = 'f' AND c.conparentid <> 0)
		-- since 18 a NOT NULL is a constraint with a name; its column has it already
		AND NOT (c.contype = 'n' AND c.convalidated AND NOT c.connoinherit)
),
