-- The options that create a database like this one; before 15, without ICU locales of databases.
SELECT d.datname AS name, pg_catalog.pg_get_userbyid(d.datdba) AS owner,
       pg_catalog.pg_encoding_to_char(d.encoding) AS encoding, d.datcollate AS collate, d.datctype AS ctype,
       'libc' AS provider, NULL::text AS locale, NULL::text AS rules,
       pg_catalog.pg_database_size(d.oid) AS bytes
  FROM pg_catalog.pg_database AS d
 WHERE d.datallowconn AND NOT d.datistemplate
 ORDER BY d.datname
