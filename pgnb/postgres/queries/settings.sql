-- Settings by name, with where each is set. The three columns of the source are empty for a login that may
-- not see them.
SELECT name, setting, unit, pg_catalog.current_setting(name) AS shown, vartype, context, source,
       sourcefile, sourceline, pending_restart, boot_val, reset_val, min_val, max_val, enumvals, short_desc
  FROM pg_catalog.pg_settings
 WHERE lower(name) = ANY (%(names)s)
 ORDER BY pg_catalog.array_position(%(names)s, lower(name))
