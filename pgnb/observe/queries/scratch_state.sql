-- Whether a database exists, whether it is a scratch database (its comment says so), and how many clients are
-- in it beside pgnb, whose sessions are kept for a later cell and do nothing meanwhile.
SELECT pg_catalog.shobj_description(d.oid, 'pg_database') AS comment,
       (SELECT count(*) FROM pg_catalog.pg_stat_activity AS a
         WHERE a.datid = d.oid AND a.application_name <> 'pgnb') AS clients
  FROM pg_catalog.pg_database AS d
 WHERE d.datname = %(database)s
