-- The roles that databases need to be restored: owners, those with granted privileges, those that policies
-- name, and the roles of which these are members; with their verifiers, which only a superuser may read.
WITH RECURSIVE needed(oid) AS (
    SELECT d.refobjid
      FROM pg_catalog.pg_shdepend AS d
     WHERE d.refclassid = 'pg_catalog.pg_authid'::regclass
       AND (d.dbid IN (SELECT oid FROM pg_catalog.pg_database WHERE datname = ANY (%(databases)s))
            OR d.classid = 'pg_catalog.pg_database'::regclass
               AND d.objid IN (SELECT oid FROM pg_catalog.pg_database WHERE datname = ANY (%(databases)s)))
     UNION
    SELECT oid FROM pg_catalog.pg_authid WHERE oid = 10
     UNION
    SELECT m.roleid FROM pg_catalog.pg_auth_members AS m JOIN needed AS n ON n.oid = m.member)
SELECT r.rolname AS name, r.rolinherit AS inherit, r.rolcreaterole AS createrole, r.rolcreatedb AS createdb,
       r.rolcanlogin AS login, r.rolsuper AS superuser, r.rolconnlimit AS connlimit, r.rolpassword AS verifier,
       r.rolvaliduntil::text AS valid_until,
       ARRAY(SELECT g.rolname::text FROM pg_catalog.pg_auth_members AS m
               JOIN pg_catalog.pg_authid AS g ON g.oid = m.roleid
              WHERE m.member = r.oid ORDER BY g.rolname) AS member_of
  FROM pg_catalog.pg_authid AS r
  JOIN needed AS n ON n.oid = r.oid
 WHERE r.rolname !~ '^pg_'
 ORDER BY r.rolname
