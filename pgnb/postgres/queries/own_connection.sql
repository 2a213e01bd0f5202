-- Our own connection as pg_hba.conf sees it; no address: the Unix socket.
SELECT coalesce(pg_catalog.host(pg_catalog.inet_client_addr()), '') AS address,
       pg_catalog.current_database() AS database,
       coalesce((SELECT ssl FROM pg_catalog.pg_stat_ssl WHERE pid = pg_catalog.pg_backend_pid()), false) AS ssl
