-- Whether a role exists, may log in, and may replicate, for everybody who may connect; its verifier is in pg_authid,
-- for superusers only.
SELECT rolcanlogin AS can_login, rolreplication OR rolsuper AS can_replicate,
       coalesce(rolvaliduntil < pg_catalog.now(), false) AS expired
  FROM pg_catalog.pg_roles
 WHERE rolname = %(role)s
