-- What is replicated if no database is named: every one that accepts connections, except the maintenance database,
-- templates, and pgnb's temporary databases (by their comment; by their name without one).
SELECT datname AS name
  FROM pg_catalog.pg_database
 WHERE datallowconn AND NOT datistemplate AND datname <> 'postgres'
   AND coalesce(pg_catalog.shobj_description(oid, 'pg_database'),
                CASE WHEN datname ~ %(own)s THEN %(scratch)s END) IS DISTINCT FROM %(scratch)s
 ORDER BY datname
