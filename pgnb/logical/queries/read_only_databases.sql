-- Databases whose new sessions begin read-only, the roles that set it themselves there (or everywhere), and the
-- prepared transactions that could still commit.
SELECT d.datname AS name,
       EXISTS (SELECT FROM pg_catalog.pg_db_role_setting AS s
                WHERE s.setdatabase = d.oid AND s.setrole = 0
                  AND 'default_transaction_read_only=on' = ANY (s.setconfig)) AS blocked,
       (SELECT pg_catalog.count(*) FROM pg_catalog.pg_prepared_xacts AS x WHERE x.database = d.datname) AS prepared,
       ARRAY(SELECT r.rolname::text FROM pg_catalog.pg_db_role_setting AS s
               JOIN pg_catalog.pg_roles AS r ON r.oid = s.setrole
              WHERE s.setdatabase IN (0, d.oid) AND EXISTS (
                    SELECT FROM pg_catalog.unnest(s.setconfig) AS one
                     WHERE one LIKE 'default_transaction_read_only=%' AND one NOT LIKE '%=on')
              ORDER BY 1) AS overriding
  FROM pg_catalog.pg_database AS d
 WHERE d.datallowconn AND NOT d.datistemplate
