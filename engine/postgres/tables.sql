-- Tables that a dump knows: partitions are part of their root. Size and rows are sums over the partitions.
WITH RECURSIVE tree AS (
	SELECT c.oid AS root, c.oid, c.relkind FROM pg_class c WHERE c.relkind IN ('r', 'p', 'f') AND NOT c.relispartition
	UNION ALL
	SELECT tree.root, c.oid, c.relkind FROM tree JOIN pg_inherits i ON i.inhparent = tree.oid JOIN pg_class c ON c.oid = i.inhrelid
	WHERE tree.relkind = 'p'
),
size AS (
	SELECT tree.root, coalesce(sum(c.reltuples) FILTER (WHERE c.reltuples >= 0), -1)::bigint AS rows,
		(sum(c.relpages::bigint + coalesce(t.relpages, 0)) * current_setting('block_size')::bigint)::bigint AS bytes
	FROM tree JOIN pg_class c ON c.oid = tree.oid LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
	WHERE tree.relkind <> 'p' GROUP BY 1
)
SELECT c.oid, n.nspname, c.relname, c.relkind::text, coalesce(s.rows, 0), coalesce(s.bytes, 0),
	ARRAY(SELECT a.attname::text FROM pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY k (attnum, place)
		JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
		WHERE i.indrelid = c.oid AND i.indisprimary AND k.place <= i.indnkeyatts ORDER BY k.place) AS key
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN size s ON s.root = c.oid
WHERE c.relkind IN ('r', 'p', 'f') AND NOT c.relispartition AND c.relpersistence <> 't'
	AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
	AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
