-- What a load takes off: the tables $1 with all their partitions are the targets.
WITH RECURSIVE target AS (
	SELECT c.oid, c.relkind FROM unnest($1::text[]) name, LATERAL (SELECT oid, relkind FROM pg_class WHERE oid = name::regclass) c
	UNION
	SELECT c.oid, c.relkind FROM target JOIN pg_inherits i ON i.inhparent = target.oid JOIN pg_class c ON c.oid = i.inhrelid
	WHERE target.relkind = 'p'
)
SELECT * FROM (
	-- A key that is taken off a root goes from its partitions too.
	SELECT 1 AS place, 'constraint' AS kind, c.conrelid::regclass::text AS relation, quote_ident(c.conname) AS name,
		pg_get_constraintdef(c.oid) AS def, coalesce(obj_description(c.oid, 'pg_constraint'), '') AS comment, c.confrelid::regclass::text AS extra,
		CASE WHEN c.convalidated THEN format('FROM %s c LEFT JOIN %s p ON %s WHERE (%s) AND p.%I IS NULL',
			CASE WHEN r.relkind = 'p' THEN '' ELSE 'ONLY ' END || c.conrelid::regclass,
			CASE WHEN p.relkind = 'p' THEN '' ELSE 'ONLY ' END || c.confrelid::regclass,
			(SELECT string_agg(format('p.%I OPERATOR(%I.%s) c.%I', pa.attname, opn.nspname, op.oprname, ca.attname), ' AND ')
				FROM unnest(c.conkey, c.confkey, c.conpfeqop) k (child, parent, operator)
				JOIN pg_attribute ca ON ca.attrelid = c.conrelid AND ca.attnum = k.child
				JOIN pg_attribute pa ON pa.attrelid = c.confrelid AND pa.attnum = k.parent
				JOIN pg_operator op ON op.oid = k.operator JOIN pg_namespace opn ON opn.oid = op.oprnamespace),
			(SELECT string_agg(format('c.%I IS NOT NULL', a.attname), CASE c.confmatchtype WHEN 'f' THEN ' OR ' ELSE ' AND ' END)
				FROM pg_attribute a WHERE a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)),
			(SELECT a.attname FROM pg_attribute a WHERE a.attrelid = c.confrelid AND a.attnum = c.confkey[1])) ELSE '' END AS faulty,
		ARRAY(SELECT a.attname::text FROM unnest(coalesce((SELECT k.conkey FROM pg_constraint k WHERE k.conrelid = c.conrelid AND k.contype = 'p'), c.conkey))
			WITH ORDINALITY u (num, place) JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = u.num ORDER BY u.place) AS keys
	FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid JOIN pg_class p ON p.oid = c.confrelid
	WHERE c.contype = 'f' AND c.conparentid = 0
		AND (c.conrelid IN (SELECT oid FROM target) OR c.confrelid IN (SELECT oid FROM target))

	UNION ALL
	SELECT 2, 'trigger', t.tgrelid::regclass::text, quote_ident(t.tgname), '', '', t.tgenabled::text, '', '{}'::text[]
	FROM pg_trigger t JOIN target ON target.oid = t.tgrelid WHERE NOT t.tgisinternal AND t.tgenabled <> 'D'

	UNION ALL
	SELECT 2, 'forced row security', c.oid::regclass::text, '', '', '', '', '', '{}'::text[]
	FROM pg_class c JOIN target ON target.oid = c.oid WHERE c.relforcerowsecurity

	UNION ALL
	-- Only what one CREATE INDEX puts back exactly, and on which nothing but a foreign key that goes too depends.
	SELECT 3, 'index', i.indexrelid::regclass::text, i.indrelid::regclass::text, pg_get_indexdef(i.indexrelid),
		coalesce(obj_description(i.indexrelid, 'pg_class'), ''), coalesce((SELECT spcname FROM pg_tablespace s WHERE s.oid = c.reltablespace), ''),
		CASE WHEN i.indisunique THEN (SELECT format('FROM (SELECT t.*, pg_catalog.count(*) OVER (PARTITION BY %s) AS "mulligan rows" FROM ONLY %s t%s) c WHERE c."mulligan rows" > 1',
				string_agg(part.def, ', ' ORDER BY place), i.indrelid::regclass,
				' WHERE ' || nullif(concat_ws(' AND ', '(' || pg_get_expr(i.indpred, i.indrelid) || ')',
					CASE WHEN NOT i.indnullsnotdistinct THEN string_agg('(' || part.def || ') IS NOT NULL', ' AND ') END), ''))
			FROM generate_series(1, i.indnkeyatts) place, LATERAL (SELECT pg_get_indexdef(i.indexrelid, place, false) AS def) part) ELSE '' END,
		ARRAY(SELECT a.attname::text FROM unnest(coalesce((SELECT k.conkey FROM pg_constraint k WHERE k.conrelid = i.indrelid AND k.contype = 'p'),
				CASE WHEN NOT 0 = ANY (i.indkey::smallint[]) THEN (i.indkey::smallint[])[0:i.indnkeyatts - 1] END)) WITH ORDINALITY u (num, place)
			JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.num ORDER BY u.place)
	FROM pg_index i JOIN target ON target.oid = i.indrelid AND target.relkind = 'r' JOIN pg_class c ON c.oid = i.indexrelid
	WHERE NOT c.relispartition AND i.indisvalid AND i.indisready AND NOT i.indisclustered AND NOT i.indisreplident
		AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
		AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = i.indexrelid AND coalesce(a.attstattarget, -1) >= 0)
		AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid AND d.deptype IN ('x', 'e'))
		AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indexrelid
			AND NOT (d.classid = 'pg_constraint'::regclass AND EXISTS (SELECT FROM pg_constraint k WHERE k.oid = d.objid AND k.contype = 'f')))

	UNION ALL
	SELECT 4, 'heap', c.oid::regclass::text, '', '', '', CASE WHEN has_table_privilege(c.oid, 'TRUNCATE') THEN 'truncate' ELSE 'delete' END, '', '{}'::text[]
	FROM pg_class c JOIN target ON target.oid = c.oid WHERE c.relkind = 'r'
) plan ORDER BY place, relation COLLATE "C", name COLLATE "C"
