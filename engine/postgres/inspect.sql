-- Every object of the database as one canonical line: kind, the parts of its name, what follows the name, definition.
-- catalog.sql stands before it.
acl (kind, parts, suffix, granted, usual) AS (
	SELECT 'grant', path, CASE WHEN owned THEN ' (sequence)' ELSE '' END, relacl,
		acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner) FROM rel WHERE relacl IS NOT NULL
	UNION ALL
	SELECT 'grant', ARRAY[r.nspname, r.relname, a.attname], ' (column)', a.attacl, acldefault('c', r.relowner)
	FROM rel r JOIN pg_attribute a ON a.attrelid = r.oid
	WHERE a.attacl IS NOT NULL AND NOT a.attisdropped AND a.attnum > 0
	UNION ALL SELECT 'grant', ARRAY[nspname, proname], args || ' (function)', proacl, acldefault('f', proowner) FROM fun WHERE proacl IS NOT NULL
	UNION ALL SELECT 'grant', ARRAY[nspname, typname], ' (type)', typacl, acldefault('T', typowner) FROM typ WHERE typacl IS NOT NULL
	UNION ALL SELECT 'grant', ARRAY[nspname], ' (schema)', nspacl, acldefault('n', nspowner) FROM nsp
	WHERE nspacl IS NOT NULL AND NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_namespace'::regclass AND objid = nsp.oid)
	UNION ALL SELECT 'grant', ARRAY[srvname], ' (foreign server)', srvacl, acldefault('S', srvowner) FROM pg_foreign_server WHERE srvacl IS NOT NULL
	UNION ALL SELECT 'grant', ARRAY[fdwname], ' (foreign data wrapper)', fdwacl, acldefault('F', fdwowner) FROM pg_foreign_data_wrapper WHERE fdwacl IS NOT NULL
	UNION ALL SELECT 'grant', ARRAY[lanname], ' (language)', lanacl, acldefault('l', lanowner) FROM pg_language WHERE lanacl IS NOT NULL AND oid >= 16384
	UNION ALL
	SELECT 'default grant', ARRAY[pg_get_userbyid(defaclrole)]::text[],
		' ' || CASE defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions' WHEN 'T' THEN 'types' WHEN 'n' THEN 'schemas' ELSE defaclobjtype::text END
			|| CASE WHEN defaclnamespace <> 0 THEN ' in ' || defaclnamespace::regnamespace::text ELSE '' END,
		defaclacl, NULL::aclitem[] FROM pg_default_acl
),
lines (kind, parts, suffix, def) AS (
	SELECT 'schema', ARRAY[nspname]::text[], '', 'schema' FROM nsp
	WHERE NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_namespace'::regclass AND objid = nsp.oid)

	UNION ALL SELECT 'extension', ARRAY[extname], '', extversion || ' in ' || extnamespace::regnamespace FROM pg_extension WHERE extname <> 'plpgsql'

	UNION ALL
	SELECT CASE WHEN relkind = 'f' THEN 'foreign table' ELSE 'table' END, ARRAY[nspname, relname], '', concat_ws(' ',
		CASE relpersistence WHEN 'u' THEN 'unlogged' END,
		CASE relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' ELSE 'foreign table' END,
		CASE relkind WHEN 'p' THEN 'partition by ' || pg_get_partkeydef(oid) END,
		(SELECT CASE WHEN relispartition THEN 'partition of ' ELSE 'inherits ' END || string_agg(inhparent::regclass::text, ', ' ORDER BY inhseqno)
			FROM pg_inherits WHERE inhrelid = rel.oid),
		CASE WHEN relispartition THEN pg_get_expr(relpartbound, oid) END,
		CASE WHEN reloftype <> 0 THEN 'of ' || reloftype::regtype END,
		(SELECT 'using ' || amname FROM pg_am WHERE pg_am.oid = relam AND amname <> 'heap'),
		'with (' || array_to_string(reloptions, ', ') || ')',
		(SELECT 'toast (' || array_to_string(t.reloptions, ', ') || ')' FROM pg_class t WHERE t.oid = reltoastrelid AND t.reloptions IS NOT NULL),
		(SELECT 'tablespace ' || spcname FROM pg_tablespace WHERE pg_tablespace.oid = reltablespace),
		CASE WHEN relrowsecurity THEN 'row security' END, CASE WHEN relforcerowsecurity THEN 'forced row security' END,
		CASE relreplident WHEN 'f' THEN 'replica identity full' WHEN 'n' THEN 'replica identity nothing' END,
		(SELECT 'server ' || s.srvname || coalesce(' options (' || array_to_string(f.ftoptions, ', ') || ')', '')
			FROM pg_foreign_table f JOIN pg_foreign_server s ON s.oid = f.ftserver WHERE f.ftrelid = rel.oid))
	FROM rel WHERE relkind IN ('r', 'p', 'f')

	UNION ALL
	SELECT 'column', ARRAY[r.nspname, r.relname, a.attname], '', concat_ws(' ',
		format_type(a.atttypid, a.atttypmod),
		CASE WHEN a.attcollation <> 0 AND a.attcollation <> t.typcollation THEN 'collate ' || a.attcollation::regcollation END,
		CASE WHEN a.attnotnull THEN 'not null' END,
		CASE WHEN a.attgenerated = '' THEN 'default ' ELSE 'generated ' || a.attgenerated::text || ' ' END || pg_get_expr(d.adbin, d.adrelid),
		CASE a.attidentity WHEN 'a' THEN 'identity always' WHEN 'd' THEN 'identity by default' END,
		CASE WHEN a.attstorage <> t.typstorage THEN 'storage ' || a.attstorage::text END,
		CASE WHEN a.attcompression <> '' THEN 'compression ' || a.attcompression::text END,
		CASE WHEN coalesce(a.attstattarget, -1) >= 0 THEN 'statistics ' || a.attstattarget END,
		'options (' || array_to_string(a.attoptions, ', ') || ')', 'foreign options (' || array_to_string(a.attfdwoptions, ', ') || ')',
		CASE WHEN a.attinhcount > 0 AND NOT r.relispartition THEN 'inherited' || CASE WHEN a.attislocal THEN ' and local' ELSE '' END END)
	FROM rel r JOIN pg_attribute a ON a.attrelid = r.oid JOIN pg_type t ON t.oid = a.atttypid
		LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
	WHERE a.attnum > 0 AND NOT a.attisdropped AND r.relkind <> 'S'

	UNION ALL
	SELECT CASE relkind WHEN 'm' THEN 'materialized view' ELSE 'view' END, ARRAY[nspname, relname], '', concat_ws(E'\n',
		'with (' || array_to_string(reloptions, ', ') || ')', (SELECT 'tablespace ' || spcname FROM pg_tablespace WHERE pg_tablespace.oid = reltablespace),
		pg_get_viewdef(oid))
	FROM rel WHERE relkind IN ('v', 'm')

	UNION ALL
	SELECT 'index', ARRAY[r.nspname, r.relname, c.relname], '', concat_ws(' ', pg_get_indexdef(i.indexrelid),
		(SELECT 'tablespace ' || spcname FROM pg_tablespace WHERE pg_tablespace.oid = c.reltablespace),
		CASE WHEN NOT i.indisvalid THEN 'invalid' END, CASE WHEN i.indisclustered THEN 'clustered' END,
		CASE WHEN i.indisreplident THEN 'replica identity' END,
		-- the name of the other index would make its renaming a difference of this one
		(SELECT 'part of an index of ' || up.indrelid::regclass FROM pg_inherits h JOIN pg_index up ON up.indexrelid = h.inhparent WHERE h.inhrelid = i.indexrelid),
		-- only an expression can have a target; the others' would be looked up for nothing
		CASE WHEN i.indexprs IS NOT NULL THEN (SELECT 'statistics ' || string_agg(a.attnum || '=' || a.attstattarget, ', ' ORDER BY a.attnum) FROM pg_attribute a
			WHERE a.attrelid = i.indexrelid AND coalesce(a.attstattarget, -1) >= 0) END)
	FROM pg_index i JOIN rel r ON r.oid = i.indrelid JOIN pg_class c ON c.oid = i.indexrelid

	UNION ALL
	SELECT 'constraint', ARRAY[nspname, relname, conname], '', concat_ws(' ', pg_get_constraintdef(oid),
		CASE WHEN coninhcount > 0 THEN 'inherited' || CASE WHEN conislocal THEN ' and local' ELSE '' END END)
	FROM con

	UNION ALL
	SELECT 'trigger', ARRAY[r.nspname, r.relname, t.tgname], '', pg_get_triggerdef(t.oid)
		|| CASE t.tgenabled WHEN 'O' THEN '' WHEN 'D' THEN ' disabled' WHEN 'R' THEN ' replica' ELSE ' always' END
	FROM pg_trigger t JOIN rel r ON r.oid = t.tgrelid WHERE NOT t.tgisinternal

	UNION ALL
	SELECT 'rule', ARRAY[r.nspname, r.relname, w.rulename], '', pg_get_ruledef(w.oid)
		|| CASE w.ev_enabled WHEN 'O' THEN '' WHEN 'D' THEN ' disabled' WHEN 'R' THEN ' replica' ELSE ' always' END
	FROM pg_rewrite w JOIN rel r ON r.oid = w.ev_class WHERE w.rulename <> '_RETURN'

	UNION ALL
	SELECT 'policy', ARRAY[r.nspname, r.relname, p.polname], '', concat_ws(' ',
		CASE WHEN p.polpermissive THEN 'permissive' ELSE 'restrictive' END,
		'for ' || CASE p.polcmd WHEN 'r' THEN 'select' WHEN 'a' THEN 'insert' WHEN 'w' THEN 'update' WHEN 'd' THEN 'delete' ELSE 'all' END,
		'to ' || (SELECT string_agg(CASE o WHEN 0 THEN 'public' ELSE pg_get_userbyid(o)::text END, ', ' ORDER BY CASE o WHEN 0 THEN '' ELSE pg_get_userbyid(o)::text END COLLATE "C") FROM unnest(p.polroles) o),
		'using (' || pg_get_expr(p.polqual, p.polrelid) || ')', 'with check (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')')
	FROM pg_policy p JOIN rel r ON r.oid = p.polrelid

	UNION ALL
	SELECT 'statistics', ARRAY[n.nspname, s.stxname], '', pg_get_statisticsobjdef(s.oid)
		|| CASE WHEN coalesce((to_jsonb(s)->>'stxstattarget')::int, -1) >= 0 THEN ' target ' || (to_jsonb(s)->>'stxstattarget') ELSE '' END
	FROM pg_statistic_ext s JOIN nsp n ON n.oid = s.stxnamespace
	WHERE NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_statistic_ext'::regclass AND objid = s.oid)

	UNION ALL
	SELECT 'sequence', ARRAY[r.nspname, r.relname], '', concat_ws(' ',
		CASE r.relpersistence WHEN 'u' THEN 'unlogged' END,
		format_type(s.seqtypid, NULL), 'start', s.seqstart, 'increment', s.seqincrement, 'from', s.seqmin, 'to', s.seqmax, 'cache', s.seqcache,
		CASE WHEN s.seqcycle THEN 'cycle' END,
		(SELECT CASE d.deptype WHEN 'i' THEN 'identity of ' ELSE 'owned by ' END || d.refobjid::regclass || '.' || quote_ident(a.attname)
			FROM pg_depend d JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
			WHERE d.classid = 'pg_class'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')))
	FROM pg_sequence s JOIN rel r ON r.oid = s.seqrelid

	UNION ALL
	SELECT CASE prokind WHEN 'p' THEN 'procedure' ELSE 'function' END, ARRAY[nspname, proname], args, pg_get_functiondef(oid)
	FROM fun WHERE prokind <> 'a'

	UNION ALL
	SELECT 'aggregate', ARRAY[f.nspname, f.proname], f.args, concat_ws(' ', a.aggkind::text, 'direct', a.aggnumdirectargs,
		'transition', a.aggtransfn::regprocedure, format_type(a.aggtranstype, NULL), a.aggtransspace, 'initial ' || quote_literal(a.agginitval),
		'final', a.aggfinalfn::regprocedure, a.aggfinalextra, a.aggfinalmodify::text, 'combine', a.aggcombinefn::regprocedure,
		'serial', a.aggserialfn::regprocedure, a.aggdeserialfn::regprocedure,
		'moving', a.aggmtransfn::regprocedure, a.aggminvtransfn::regprocedure, a.aggmfinalfn::regprocedure, a.aggmfinalextra, a.aggmfinalmodify::text,
		format_type(nullif(a.aggmtranstype, 0), NULL), a.aggmtransspace, 'initial ' || quote_literal(a.aggminitval),
		'sort', a.aggsortop::regoperator, 'parallel', p.proparallel::text)
	FROM fun f JOIN pg_aggregate a ON a.aggfnoid = f.oid JOIN pg_proc p ON p.oid = f.oid

	UNION ALL
	SELECT CASE typtype WHEN 'd' THEN 'domain' ELSE 'type' END, ARRAY[nspname, typname], '', CASE typtype
		WHEN 'e' THEN 'enum (' || coalesce((SELECT string_agg(quote_literal(enumlabel), ', ' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = typ.oid), '') || ')'
		WHEN 'c' THEN 'composite'
		WHEN 'r' THEN (SELECT concat_ws(' ', 'range of', format_type(rngsubtype, NULL), 'collate ' || nullif(rngcollation, 0)::regcollation,
			'operator class', (SELECT opcnamespace::regnamespace || '.' || quote_ident(opcname) FROM pg_opclass o WHERE o.oid = rngsubopc),
			'canonical', rngcanonical::regprocedure, 'difference', rngsubdiff::regprocedure, 'multirange', rngmultitypid::regtype)
			FROM pg_range WHERE rngtypid = typ.oid)
		WHEN 'd' THEN concat_ws(' ', 'domain', format_type(typbasetype, typtypmod),
			(SELECT 'collate ' || typcollation::regcollation FROM pg_type b WHERE b.oid = typbasetype AND b.typcollation <> typ.typcollation),
			CASE WHEN typnotnull THEN 'not null' END, 'default ' || typdefault,
			(SELECT string_agg('constraint ' || quote_ident(conname) || ' ' || pg_get_constraintdef(oid), ' ' ORDER BY conname COLLATE "C")
				FROM pg_constraint WHERE contypid = typ.oid AND contype = 'c'))
		ELSE concat_ws(' ', 'base', 'input', typinput::regprocedure, 'output', typoutput::regprocedure, 'length', typlen,
			'align', typalign::text, 'storage', typstorage::text, 'category', typcategory::text) END
	FROM typ

	UNION ALL
	SELECT 'collation', ARRAY[n.nspname, c.collname], '', concat_ws(' ', c.collprovider::text, CASE WHEN NOT c.collisdeterministic THEN 'nondeterministic' END,
		c.collcollate, c.collctype, to_jsonb(c)->>'colliculocale', to_jsonb(c)->>'colllocale', 'rules ' || (to_jsonb(c)->>'collicurules'))
	FROM pg_collation c JOIN nsp n ON n.oid = c.collnamespace
	WHERE NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_collation'::regclass AND objid = c.oid)

	UNION ALL
	SELECT 'conversion', ARRAY[n.nspname, c.conname], '', concat_ws(' ', CASE WHEN c.condefault THEN 'default' END,
		pg_encoding_to_char(c.conforencoding), 'to', pg_encoding_to_char(c.contoencoding), c.conproc::regprocedure)
	FROM pg_conversion c JOIN nsp n ON n.oid = c.connamespace
	WHERE NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_conversion'::regclass AND objid = c.oid)

	UNION ALL
	SELECT 'operator', ARRAY[n.nspname], ' ' || o.oid::regoperator, concat_ws(' ', o.oprcode::regprocedure, 'commutator', o.oprcom::regoperator,
		'negator', o.oprnegate::regoperator, 'restrict', o.oprrest::regprocedure, 'join', o.oprjoin::regprocedure,
		CASE WHEN o.oprcanhash THEN 'hashes' END, CASE WHEN o.oprcanmerge THEN 'merges' END)
	FROM pg_operator o JOIN nsp n ON n.oid = o.oprnamespace
	WHERE NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_operator'::regclass AND objid = o.oid)

	UNION ALL
	SELECT 'operator class', ARRAY[n.nspname, c.opcname], ' using ' || a.amname, concat_ws(' ', CASE WHEN c.opcdefault THEN 'default' END,
		'for', format_type(c.opcintype, NULL), 'family', f.opfnamespace::regnamespace || '.' || quote_ident(f.opfname),
		'storage ' || format_type(nullif(c.opckeytype, 0), NULL))
	FROM pg_opclass c JOIN nsp n ON n.oid = c.opcnamespace JOIN pg_am a ON a.oid = c.opcmethod JOIN pg_opfamily f ON f.oid = c.opcfamily
	WHERE NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_opclass'::regclass AND objid = c.oid)

	UNION ALL
	SELECT 'operator family', ARRAY[n.nspname, f.opfname], ' using ' || a.amname, concat_ws(E'\n', 'family',
		(SELECT string_agg(concat_ws(' ', 'operator', o.amopstrategy, o.amopopr::regoperator, o.amoppurpose::text), E'\n'
			ORDER BY o.amopstrategy, o.amopopr::regoperator::text COLLATE "C") FROM pg_amop o WHERE o.amopfamily = f.oid),
		(SELECT string_agg(concat_ws(' ', 'function', o.amprocnum, format_type(o.amproclefttype, NULL), format_type(o.amprocrighttype, NULL), o.amproc::regprocedure), E'\n'
			ORDER BY o.amprocnum, o.amproc::regprocedure::text COLLATE "C", o.amproclefttype::regtype::text COLLATE "C", o.amprocrighttype::regtype::text COLLATE "C")
			FROM pg_amproc o WHERE o.amprocfamily = f.oid))
	FROM pg_opfamily f JOIN nsp n ON n.oid = f.opfnamespace JOIN pg_am a ON a.oid = f.opfmethod
	WHERE NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_opfamily'::regclass AND objid = f.oid)

	UNION ALL
	SELECT 'cast', ARRAY[]::text[], format_type(c.castsource, NULL) || ' as ' || format_type(c.casttarget, NULL),
		concat_ws(' ', c.castmethod::text, c.castcontext::text, CASE WHEN c.castfunc <> 0 THEN c.castfunc::regprocedure END)
	FROM pg_cast c WHERE c.oid >= 16384 AND NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_cast'::regclass AND objid = c.oid)

	UNION ALL
	SELECT 'transform', ARRAY[]::text[], format_type(t.trftype, NULL) || ' in ' || l.lanname,
		concat_ws(' ', 'from', t.trffromsql::regprocedure, 'to', t.trftosql::regprocedure)
	FROM pg_transform t JOIN pg_language l ON l.oid = t.trflang
	WHERE NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_transform'::regclass AND objid = t.oid)

	UNION ALL
	SELECT 'language', ARRAY[lanname], '', concat_ws(' ', CASE WHEN lanpltrusted THEN 'trusted' END, lanplcallfoid::regprocedure, laninline::regprocedure, lanvalidator::regprocedure)
	FROM pg_language WHERE oid >= 16384 AND NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_language'::regclass AND objid = pg_language.oid)

	UNION ALL
	SELECT 'access method', ARRAY[amname], '', concat_ws(' ', amtype::text, amhandler::regprocedure)
	FROM pg_am WHERE oid >= 16384 AND NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_am'::regclass AND objid = pg_am.oid)

	UNION ALL
	SELECT 'foreign data wrapper', ARRAY[fdwname], '', concat_ws(' ', 'handler', fdwhandler::regprocedure, 'validator', fdwvalidator::regprocedure,
		'options (' || array_to_string(fdwoptions, ', ') || ')')
	FROM pg_foreign_data_wrapper w WHERE NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_foreign_data_wrapper'::regclass AND objid = w.oid)

	UNION ALL
	SELECT 'foreign server', ARRAY[s.srvname], '', concat_ws(' ', 'wrapper', w.fdwname, 'type ' || s.srvtype, 'version ' || s.srvversion,
		'options (' || array_to_string(s.srvoptions, ', ') || ')')
	FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
	WHERE NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_foreign_server'::regclass AND objid = s.oid)

	UNION ALL
	-- The options may hold a password: they are left out.
	SELECT 'user mapping', ARRAY[srvname, coalesce(usename, 'public')], '', 'user mapping' FROM pg_user_mappings

	UNION ALL
	SELECT 'text search configuration', ARRAY[n.nspname, c.cfgname], '', (SELECT p.prsnamespace::regnamespace || '.' || quote_ident(p.prsname) FROM pg_ts_parser p WHERE p.oid = c.cfgparser)
		|| coalesce(E'\n' || (SELECT string_agg(m.maptokentype || ' ' || m.mapseqno || ' ' || m.mapdict::regdictionary, E'\n' ORDER BY m.maptokentype, m.mapseqno)
			FROM pg_ts_config_map m WHERE m.mapcfg = c.oid), '')
	FROM pg_ts_config c JOIN nsp n ON n.oid = c.cfgnamespace
	WHERE NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_ts_config'::regclass AND objid = c.oid)

	UNION ALL
	SELECT 'text search dictionary', ARRAY[n.nspname, d.dictname], '', concat_ws(' ', t.tmplnamespace::regnamespace || '.' || quote_ident(t.tmplname), d.dictinitoption)
	FROM pg_ts_dict d JOIN nsp n ON n.oid = d.dictnamespace JOIN pg_ts_template t ON t.oid = d.dicttemplate
	WHERE NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_ts_dict'::regclass AND objid = d.oid)

	UNION ALL
	SELECT 'text search parser', ARRAY[n.nspname, p.prsname], '', concat_ws(' ', p.prsstart::regprocedure, p.prstoken::regprocedure, p.prsend::regprocedure, p.prsheadline::regprocedure, p.prslextype::regprocedure)
	FROM pg_ts_parser p JOIN nsp n ON n.oid = p.prsnamespace
	WHERE NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_ts_parser'::regclass AND objid = p.oid)

	UNION ALL
	SELECT 'text search template', ARRAY[n.nspname, t.tmplname], '', concat_ws(' ', t.tmplinit::regprocedure, t.tmpllexize::regprocedure)
	FROM pg_ts_template t JOIN nsp n ON n.oid = t.tmplnamespace
	WHERE NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_ts_template'::regclass AND objid = t.oid)

	UNION ALL
	SELECT 'event trigger', ARRAY[evtname], '', concat_ws(' ', evtevent, evtfoid::regprocedure, 'when tag in (' || array_to_string(evttags, ', ') || ')', evtenabled::text)
	FROM pg_event_trigger e WHERE NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_event_trigger'::regclass AND objid = e.oid)

	UNION ALL
	SELECT 'publication', ARRAY[p.pubname], '', concat_ws(' ', CASE WHEN p.puballtables THEN 'all tables' END,
		CASE WHEN p.pubinsert THEN 'insert' END, CASE WHEN p.pubupdate THEN 'update' END, CASE WHEN p.pubdelete THEN 'delete' END, CASE WHEN p.pubtruncate THEN 'truncate' END,
		CASE WHEN p.pubviaroot THEN 'via root' END,
		(SELECT 'schemas ' || string_agg(pnnspid::regnamespace::text, ', ' ORDER BY pnnspid::regnamespace::text COLLATE "C") FROM pg_publication_namespace WHERE pnpubid = p.oid),
		(SELECT 'tables ' || string_agg(concat_ws(' ', prrelid::regclass, 'where (' || pg_get_expr(prqual, prrelid) || ')',
			'columns (' || (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = prrelid AND attnum = ANY (prattrs)) || ')'),
			', ' ORDER BY prrelid::regclass::text COLLATE "C") FROM pg_publication_rel WHERE prpubid = p.oid))
	FROM pg_publication p WHERE NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_publication'::regclass AND objid = p.oid)

	UNION ALL
	-- Rows that lie in no table: nothing carries them over, and that must be seen.
	SELECT 'large objects', ARRAY['large objects'], '', 'present' WHERE EXISTS (SELECT FROM pg_largeobject_metadata)

	UNION ALL
	SELECT kind, parts, suffix, coalesce((SELECT string_agg(line, E'\n' ORDER BY line COLLATE "C") FROM (
			SELECT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee)::text END || ': '
				|| string_agg(privilege_type || CASE WHEN is_grantable THEN ' with grant option' ELSE '' END, ', ' ORDER BY privilege_type) AS line
			FROM (SELECT DISTINCT grantee, privilege_type, is_grantable FROM aclexplode(granted)) x GROUP BY grantee) y), 'none')
	FROM acl
	WHERE ARRAY(SELECT DISTINCT grantee || privilege_type || is_grantable AS g FROM aclexplode(granted) ORDER BY g)
		<> ARRAY(SELECT DISTINCT grantee || privilege_type || is_grantable AS g FROM aclexplode(usual) ORDER BY g)

	UNION ALL SELECT 'owner', path, '', pg_get_userbyid(relowner) FROM rel WHERE NOT owned
	UNION ALL SELECT 'owner', ARRAY[nspname, proname], args || ' (function)', pg_get_userbyid(proowner) FROM fun
	UNION ALL SELECT 'owner', ARRAY[nspname, typname], ' (type)', pg_get_userbyid(typowner) FROM typ WHERE typtype <> 'c'
	UNION ALL SELECT 'owner', ARRAY[nspname], ' (schema)', pg_get_userbyid(nspowner) FROM nsp
	WHERE NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_namespace'::regclass AND objid = nsp.oid)

	UNION ALL
	SELECT 'comment', path || a.attname::text, CASE WHEN a.attname IS NOT NULL THEN ' (column)' WHEN r.owned THEN ' (sequence)' ELSE '' END, d.description
	FROM pg_description d JOIN rel r ON r.oid = d.objoid LEFT JOIN pg_attribute a ON a.attrelid = d.objoid AND a.attnum = d.objsubid AND d.objsubid > 0
	WHERE d.classoid = 'pg_class'::regclass
	UNION ALL
	SELECT 'comment', ARRAY[r.nspname, r.relname, c.relname], ' (index)', d.description
	FROM pg_description d JOIN pg_index i ON i.indexrelid = d.objoid JOIN rel r ON r.oid = i.indrelid JOIN pg_class c ON c.oid = i.indexrelid
	WHERE d.classoid = 'pg_class'::regclass
	UNION ALL
	SELECT 'comment', ARRAY[con.nspname, con.relname, con.conname], ' (constraint)', d.description
	FROM pg_description d JOIN con ON con.oid = d.objoid WHERE d.classoid = 'pg_constraint'::regclass
	UNION ALL
	SELECT 'comment', ARRAY[r.nspname, r.relname, t.tgname], ' (trigger)', d.description
	FROM pg_description d JOIN pg_trigger t ON t.oid = d.objoid JOIN rel r ON r.oid = t.tgrelid WHERE d.classoid = 'pg_trigger'::regclass
	UNION ALL
	SELECT 'comment', ARRAY[r.nspname, r.relname, p.polname], ' (policy)', d.description
	FROM pg_description d JOIN pg_policy p ON p.oid = d.objoid JOIN rel r ON r.oid = p.polrelid WHERE d.classoid = 'pg_policy'::regclass
	UNION ALL
	SELECT 'comment', ARRAY[r.nspname, r.relname, w.rulename], ' (rule)', d.description
	FROM pg_description d JOIN pg_rewrite w ON w.oid = d.objoid JOIN rel r ON r.oid = w.ev_class WHERE d.classoid = 'pg_rewrite'::regclass
	UNION ALL
	SELECT 'comment', ARRAY[]::text[], o.identity || ' (' || o.type || ')', d.description
	FROM pg_description d, pg_identify_object(d.classoid, d.objoid, d.objsubid) o
	WHERE d.classoid NOT IN ('pg_class'::regclass, 'pg_constraint'::regclass, 'pg_trigger'::regclass, 'pg_policy'::regclass, 'pg_rewrite'::regclass, 'pg_extension'::regclass)
		AND (d.objoid >= 16384 OR d.classoid = 'pg_namespace'::regclass AND d.objoid IN (SELECT oid FROM nsp))
		AND NOT EXISTS (SELECT FROM ext WHERE classid = d.classoid AND objid = d.objoid)
		AND coalesce(o.schema, '') !~ '^pg_' AND coalesce(o.schema, '') <> 'information_schema'
)
SELECT kind, array_remove(parts, NULL), suffix, def FROM lines
