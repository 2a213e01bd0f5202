-- A role's attributes for everybody who may connect; its verifier is in pg_authid, for superusers only.
SELECT r.rolname, r.rolcanlogin, r.rolreplication, r.rolsuper,
       coalesce(r.rolvaliduntil < now(), false) AS expired
  FROM pg_catalog.pg_roles r
 WHERE r.rolname = %(role)s
