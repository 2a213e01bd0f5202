-- Whether a role exists, may log in, and may replicate.
SELECT rolcanlogin AS can_login, rolreplication OR rolsuper AS can_replicate, rolvaliduntil AS valid_until,
       coalesce(rolvaliduntil < pg_catalog.now(), false) AS expired
  FROM pg_catalog.pg_roles
 WHERE rolname = %(role)s
