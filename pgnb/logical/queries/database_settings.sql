-- Settings of databases, and of roles in them: no dump of one database contains them. What pgnb itself
-- sets in a cut-over is left out.
SELECT d.datname::text AS database, coalesce(r.rolname::text, '') AS role,
       split_part(c, '=', 1) AS name, substr(c, strpos(c, '=') + 1) AS value
  FROM pg_catalog.pg_db_role_setting s
  JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
  LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
 CROSS JOIN unnest(s.setconfig) AS c
 WHERE d.datname = ANY (%(databases)s) AND split_part(c, '=', 1) <> 'default_transaction_read_only'
 ORDER BY 1, 2, 3
