-- What the configuration files say now, read again by the server. 'setting could not be applied' means that a
-- value waits for a restart, but only for a setting that needs one; of any other setting the value is refused.
SELECT f.sourcefile, f.sourceline, f.seqno, lower(f.name) AS name, f.setting, f.applied, f.error,
       f.error IS NOT NULL
           AND NOT (f.error = 'setting could not be applied' AND s.context IS NOT DISTINCT FROM 'postmaster')
           AS wrong
  FROM pg_catalog.pg_file_settings f
  LEFT JOIN pg_catalog.pg_settings s ON lower(s.name) = lower(f.name)
 ORDER BY f.seqno
