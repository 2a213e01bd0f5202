"""Logical replication: selected tables of several databases, to a separate writable server.

Functions take `specs` (from `database_specs`), one DatabaseSpec a database: its names (`publication`,
`subscription`, `slot`) and what is to be published (`desired`). `origin` is what `replication_source`
returns. In the order of a set-up: pair_checks, publisher_preflight, plan_subscriber, logical_preflight,
worker_settings, plan_replica_identity, plan_roles, plan_databases, plan_schema, plan_markers,
plan_publications, plan_subscriptions, wait_copied, verify_marker_rows, wait_applied, logical_status,
compare_published.
"""
