"""The SQL of this floor, in files that the servers' named queries find as `replication/NAME`."""
