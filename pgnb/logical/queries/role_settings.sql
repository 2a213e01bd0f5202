-- Settings of roles in every database.
SELECT r.rolname::text AS role, split_part(c, '=', 1) AS name, substr(c, strpos(c, '=') + 1) AS value
  FROM pg_catalog.pg_db_role_setting s
  JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
 CROSS JOIN unnest(s.setconfig) AS c
 WHERE s.setdatabase = 0 AND r.rolname = ANY (%(names)s)
 ORDER BY 1, 2
