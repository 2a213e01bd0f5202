-- The privileges on a database, except its owner's; an empty grantee is PUBLIC.
SELECT d.datname::text AS database, coalesce(r.rolname::text, '') AS grantee, a.privilege_type AS privilege,
       a.is_grantable AS grantable
  FROM pg_catalog.pg_database d
 CROSS JOIN pg_catalog.aclexplode(coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) AS a
  LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
 WHERE d.datname = ANY (%(databases)s) AND a.grantee <> d.datdba
 ORDER BY 1, 2, 3
