-- What a database must be made with to be like this one; before ICU locales of databases (15).
SELECT d.datname AS name, pg_catalog.pg_get_userbyid(d.datdba) AS owner,
       pg_catalog.pg_encoding_to_char(d.encoding) AS encoding, d.datcollate AS collate, d.datctype AS ctype,
       'libc' AS provider, NULL::text AS locale, NULL::text AS rules,
       pg_catalog.pg_database_size(d.oid) AS bytes
  FROM pg_catalog.pg_database AS d
 WHERE d.datallowconn AND NOT d.datistemplate
 ORDER BY d.datname
