-- What the database has besides schema and rows, in the order in which it can be given to another one: kind and name
-- as in inspect.sql, what the adapter needs to give it, and whether nobody has ever touched it. catalog.sql stands before it.
held (step, parts, suffix, target, col, owner, acl, untouched) AS (
	SELECT 6, path, CASE WHEN owned THEN ' (sequence)' ELSE '' END, CASE relkind WHEN 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END || oid::regclass, NULL, relowner,
		coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner)), relacl IS NULL FROM rel WHERE relkind <> 'c'
	UNION ALL
	SELECT 7, ARRAY[r.nspname, r.relname, a.attname]::text[], ' (column)', 'TABLE ' || r.oid::regclass, quote_ident(a.attname), r.relowner, a.attacl, false
	FROM rel r JOIN pg_attribute a ON a.attrelid = r.oid WHERE a.attacl IS NOT NULL AND NOT a.attisdropped AND a.attnum > 0
	UNION ALL SELECT 6, ARRAY[nspname, proname], args || ' (function)', 'ROUTINE ' || oid::regprocedure, NULL, proowner, coalesce(proacl, acldefault('f', proowner)), proacl IS NULL FROM fun
	UNION ALL SELECT 6, ARRAY[nspname, typname], ' (type)', 'TYPE ' || oid::regtype, NULL, typowner, coalesce(typacl, acldefault('T', typowner)), typacl IS NULL FROM typ
	UNION ALL SELECT 4, ARRAY[nspname], ' (schema)', 'SCHEMA ' || quote_ident(nspname), NULL, nspowner, coalesce(nspacl, acldefault('n', nspowner)), nspacl IS NULL FROM nsp
	WHERE NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_namespace'::regclass AND objid = nsp.oid)
	UNION ALL SELECT 6, ARRAY[srvname], ' (foreign server)', 'FOREIGN SERVER ' || quote_ident(srvname), NULL, srvowner, coalesce(srvacl, acldefault('S', srvowner)), srvacl IS NULL FROM pg_foreign_server
	UNION ALL SELECT 6, ARRAY[fdwname], ' (foreign data wrapper)', 'FOREIGN DATA WRAPPER ' || quote_ident(fdwname), NULL, fdwowner, coalesce(fdwacl, acldefault('F', fdwowner)), fdwacl IS NULL FROM pg_foreign_data_wrapper
	UNION ALL SELECT 6, ARRAY[lanname], ' (language)', 'LANGUAGE ' || quote_ident(lanname), NULL, lanowner, coalesce(lanacl, acldefault('l', lanowner)), lanacl IS NULL FROM pg_language WHERE oid >= 16384
),
said (parts, suffix, target, description) AS (
	SELECT path || a.attname::text, CASE WHEN a.attname IS NOT NULL THEN ' (column)' WHEN r.owned THEN ' (sequence)' ELSE '' END,
		CASE WHEN a.attname IS NOT NULL THEN 'COLUMN ' || r.oid::regclass || '.' || quote_ident(a.attname)
			ELSE CASE relkind WHEN 'S' THEN 'SEQUENCE ' WHEN 'v' THEN 'VIEW ' WHEN 'm' THEN 'MATERIALIZED VIEW ' WHEN 'f' THEN 'FOREIGN TABLE ' WHEN 'c' THEN 'TYPE ' ELSE 'TABLE ' END || r.oid::regclass END,
		d.description
	FROM pg_description d JOIN rel r ON r.oid = d.objoid LEFT JOIN pg_attribute a ON a.attrelid = d.objoid AND a.attnum = d.objsubid AND d.objsubid > 0
	WHERE d.classoid = 'pg_class'::regclass
	UNION ALL
	SELECT ARRAY[r.nspname, r.relname, c.relname], ' (index)', 'INDEX ' || c.oid::regclass, d.description
	FROM pg_description d JOIN pg_index i ON i.indexrelid = d.objoid JOIN rel r ON r.oid = i.indrelid JOIN pg_class c ON c.oid = i.indexrelid
	WHERE d.classoid = 'pg_class'::regclass
	UNION ALL
	SELECT ARRAY[nspname, relname, conname], ' (constraint)', 'CONSTRAINT ' || quote_ident(conname) || ' ON ' || conrelid::regclass, d.description
	FROM pg_description d JOIN con ON con.oid = d.objoid WHERE d.classoid = 'pg_constraint'::regclass
	UNION ALL
	SELECT ARRAY[r.nspname, r.relname, t.tgname], ' (trigger)', 'TRIGGER ' || quote_ident(t.tgname) || ' ON ' || r.oid::regclass, d.description
	FROM pg_description d JOIN pg_trigger t ON t.oid = d.objoid JOIN rel r ON r.oid = t.tgrelid WHERE d.classoid = 'pg_trigger'::regclass
	UNION ALL
	SELECT ARRAY[r.nspname, r.relname, p.polname], ' (policy)', 'POLICY ' || quote_ident(p.polname) || ' ON ' || r.oid::regclass, d.description
	FROM pg_description d JOIN pg_policy p ON p.oid = d.objoid JOIN rel r ON r.oid = p.polrelid WHERE d.classoid = 'pg_policy'::regclass
	UNION ALL
	SELECT ARRAY[r.nspname, r.relname, w.rulename], ' (rule)', 'RULE ' || quote_ident(w.rulename) || ' ON ' || r.oid::regclass, d.description
	FROM pg_description d JOIN pg_rewrite w ON w.oid = d.objoid JOIN rel r ON r.oid = w.ev_class WHERE d.classoid = 'pg_rewrite'::regclass
	UNION ALL
	SELECT ARRAY[]::text[], o.identity || ' (' || o.type || ')', CASE o.type WHEN 'function' THEN 'ROUTINE' WHEN 'procedure' THEN 'ROUTINE' WHEN 'aggregate' THEN 'ROUTINE'
		WHEN 'foreign-data wrapper' THEN 'FOREIGN DATA WRAPPER' WHEN 'statistics object' THEN 'STATISTICS' ELSE upper(o.type) END || ' ' || o.identity, d.description
	FROM pg_description d, pg_identify_object(d.classoid, d.objoid, d.objsubid) o
	WHERE d.classoid NOT IN ('pg_class'::regclass, 'pg_constraint'::regclass, 'pg_trigger'::regclass, 'pg_policy'::regclass, 'pg_rewrite'::regclass, 'pg_extension'::regclass)
		AND (d.objoid >= 16384 OR d.classoid = 'pg_namespace'::regclass AND d.objoid IN (SELECT oid FROM nsp))
		AND NOT EXISTS (SELECT FROM ext WHERE classid = d.classoid AND objid = d.objoid)
		AND coalesce(o.schema, '') !~ '^pg_' AND coalesce(o.schema, '') <> 'information_schema'
),
keepsakes (step, kind, parts, suffix, data, untouched, place) AS (
	SELECT DISTINCT 1, 'schema', ARRAY[nspname]::text[], '', jsonb_build_object('schema', nspname), false, 0::bigint
	FROM nsp JOIN pg_extension ON extnamespace = nsp.oid
	WHERE nspname <> 'public' AND NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_namespace'::regclass AND objid = nsp.oid)

	UNION ALL
	-- those that need others were made after them
	SELECT 2, 'extension', ARRAY[extname]::text[], '', jsonb_build_object('schema', extnamespace::regnamespace::text, 'version', extversion), false, oid::bigint
	FROM pg_extension WHERE extname <> 'plpgsql'

	UNION ALL
	SELECT 3, 'owner', ARRAY[nspname]::text[], ' (schema)', jsonb_build_object('on', 'SCHEMA ' || quote_ident(nspname), 'role', pg_get_userbyid(nspowner)), false, 0
	FROM nsp WHERE NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_namespace'::regclass AND objid = nsp.oid)
	UNION ALL
	-- ALTER TABLE gives an owner to views and sequences, too
	SELECT 5, 'owner', path, '', jsonb_build_object('on', CASE relkind WHEN 'c' THEN 'TYPE ' ELSE 'TABLE ' END || oid::regclass, 'role', pg_get_userbyid(relowner)), false, 0
	FROM rel WHERE NOT owned
	UNION ALL
	SELECT 5, 'owner', ARRAY[nspname, proname]::text[], args || ' (function)', jsonb_build_object('on', 'ROUTINE ' || oid::regprocedure, 'role', pg_get_userbyid(proowner)), false, 0 FROM fun
	UNION ALL
	SELECT 5, 'owner', ARRAY[nspname, typname]::text[], ' (type)',
		jsonb_build_object('on', CASE typtype WHEN 'd' THEN 'DOMAIN ' ELSE 'TYPE ' END || oid::regtype, 'role', pg_get_userbyid(typowner)), false, 0
	FROM typ WHERE typtype <> 'c'

	UNION ALL
	SELECT step, 'grant', parts::text[], suffix, jsonb_build_object('on', target, 'column', col, 'role', pg_get_userbyid(owner), 'access', access), untouched, 0
	FROM held, LATERAL (SELECT jsonb_agg(jsonb_build_object('to', role, 'may', may, 'pass', pass) ORDER BY role COLLATE "C", pass) AS access FROM (
			SELECT CASE grantee WHEN 0 THEN '' ELSE pg_get_userbyid(grantee)::text END AS role, is_grantable AS pass, jsonb_agg(DISTINCT privilege_type) AS may
			FROM aclexplode(acl) GROUP BY grantee, is_grantable) g) a

	UNION ALL
	SELECT 8, 'default grant', ARRAY[pg_get_userbyid(defaclrole)]::text[],
		' ' || what || CASE WHEN defaclnamespace <> 0 THEN ' in ' || defaclnamespace::regnamespace::text ELSE '' END,
		jsonb_build_object('on', CASE what WHEN 'L' THEN 'LARGE OBJECTS' ELSE upper(what) END, 'role', pg_get_userbyid(defaclrole), 'access', access,
			'schema', CASE WHEN defaclnamespace <> 0 THEN defaclnamespace::regnamespace::text END, 'open', defaclnamespace = 0 AND what IN ('functions', 'types')), false, 0
	FROM pg_default_acl, LATERAL (SELECT CASE defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions' WHEN 'T' THEN 'types' WHEN 'n' THEN 'schemas' ELSE defaclobjtype::text END AS what) w,
		LATERAL (SELECT jsonb_agg(jsonb_build_object('to', role, 'may', may, 'pass', pass) ORDER BY role COLLATE "C", pass) AS access FROM (
			SELECT CASE grantee WHEN 0 THEN '' ELSE pg_get_userbyid(grantee)::text END AS role, is_grantable AS pass, jsonb_agg(DISTINCT privilege_type) AS may
			FROM aclexplode(defaclacl) GROUP BY grantee, is_grantable) g) a

	UNION ALL SELECT 10, 'comment', array_remove(parts::text[], NULL), suffix, jsonb_build_object('on', target, 'text', description), false, 0 FROM said

	UNION ALL
	SELECT 9, 'publication', ARRAY[pubname]::text[], '', jsonb_build_object('role', pg_get_userbyid(pubowner), 'all', puballtables,
		'with', concat_ws(', ', 'publish = ' || quote_literal(concat_ws(', ', CASE WHEN pubinsert THEN 'insert' END, CASE WHEN pubupdate THEN 'update' END,
			CASE WHEN pubdelete THEN 'delete' END, CASE WHEN pubtruncate THEN 'truncate' END)), 'publish_via_partition_root = ' || pubviaroot,
			CASE to_jsonb(p)->>'pubgencols' WHEN 's' THEN 'publish_generated_columns = stored' END),
		'members', (SELECT jsonb_agg(member ORDER BY member COLLATE "C") FROM (
			SELECT concat_ws(' ', 'TABLE', prrelid::regclass,
				'(' || (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = prrelid AND attnum = ANY (prattrs)) || ')',
				'WHERE (' || pg_get_expr(prqual, prrelid) || ')') AS member FROM pg_publication_rel WHERE prpubid = p.oid
			UNION ALL SELECT 'TABLES IN SCHEMA ' || pnnspid::regnamespace FROM pg_publication_namespace WHERE pnpubid = p.oid) m)), false, 0
	FROM pg_publication p WHERE NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_publication'::regclass AND objid = p.oid)

	-- What no other database can take, so that it is told before it is left behind.
	UNION ALL
	SELECT 11, 'subscription', ARRAY[subname]::text[], '', jsonb_build_object('why', 'it stays with the old database: make it anew'), false, 0
	FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
	UNION ALL
	SELECT 11, 'replication slot', ARRAY[slot_name]::text[], '', jsonb_build_object('why', 'it stays with the old database: make it anew'), false, 0
	FROM pg_replication_slots WHERE database = current_database() AND NOT temporary
	UNION ALL
	SELECT 11, 'rows of materialized view', path, '', jsonb_build_object('why', 'they are those that the migrations put there: refresh it'), false, 0
	FROM rel WHERE relkind = 'm'
)
SELECT kind, parts, suffix, jsonb_strip_nulls(data)::text, untouched FROM keepsakes ORDER BY step, place, kind, parts, suffix COLLATE "C"
