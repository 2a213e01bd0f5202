SELECT rolpassword FROM pg_catalog.pg_authid WHERE rolname = %(role)s
