-- What is replicated where no database is named: every one that one can connect to, but the maintenance
-- database, templates, and what pgnb itself made for a while (by its comment; by its name where it has none).
SELECT datname AS name
  FROM pg_catalog.pg_database
 WHERE datallowconn AND NOT datistemplate AND datname <> 'postgres'
   AND coalesce(pg_catalog.shobj_description(oid, 'pg_database'),
                CASE WHEN datname ~ %(own)s THEN %(scratch)s END) IS DISTINCT FROM %(scratch)s
 ORDER BY datname
