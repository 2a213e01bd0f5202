-- Files' times are whole seconds: a file that was written in the second of the last reload counts as read.
SELECT (pg_catalog.pg_stat_file(%(path)s)).modification <= pg_catalog.pg_conf_load_time() AS loaded
