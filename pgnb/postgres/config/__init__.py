"""A server's configuration: settings, pg_hba.conf, the ConfigMap, reload and restart."""
