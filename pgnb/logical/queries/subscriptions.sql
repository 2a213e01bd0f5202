-- The subscriptions of this database. Columns that a version does not have are NULL; a password in the connection
-- does not leave the server. `not_ready`: tables whose initial copy has not finished.
SELECT s.subname AS name, s.subenabled AS enabled, s.subslotname AS slot, s.subpublications::text[] AS publications,
       pg_catalog.regexp_replace(
           pg_catalog.regexp_replace(s.subconninfo, '(://[^[:space:]/:@]*:)[^[:space:]/]*@', '\1********@'),
           '((?:password|oauth_client_secret|scram_client_key|scram_server_key)\s*=\s*)(?:''(?:\\.|[^''\\])*''?|(?:\\.|[^\s\\])+)',
           '\1********', 'gi') AS connection,
       s.subsynccommit AS synchronous_commit, s.subbinary AS binary,
       CASE s.row ->> 'substream' WHEN 'true' THEN 'on' WHEN 't' THEN 'on' WHEN 'p' THEN 'parallel' ELSE 'off' END
           AS streaming,
       s.row ->> 'subtwophasestate' AS two_phase, (s.row ->> 'subdisableonerr')::boolean AS disable_on_error,
       s.row ->> 'suborigin' AS origin, (s.row ->> 'subfailover')::boolean AS failover,
       (SELECT count(*) FROM pg_catalog.pg_subscription_rel AS r WHERE r.srsubid = s.oid) AS tables,
       (SELECT count(*) FROM pg_catalog.pg_subscription_rel AS r WHERE r.srsubid = s.oid AND r.srsubstate = 'r')
           AS ready
  FROM (SELECT p.*, pg_catalog.to_jsonb(p) AS row FROM pg_catalog.pg_subscription AS p) AS s
 WHERE s.subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
 ORDER BY s.subname
