-- Whether a database is there, whether it is a scratch database (its comment says so), and who is in it.
SELECT pg_catalog.shobj_description(d.oid, 'pg_database') AS comment,
       (SELECT count(*) FROM pg_catalog.pg_stat_activity AS a WHERE a.datid = d.oid) AS sessions
  FROM pg_catalog.pg_database AS d
 WHERE d.datname = %(database)s
