"""Executable runbooks for PostgreSQL replication on Kubernetes."""
