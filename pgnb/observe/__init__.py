"""Observe replication: lag, load, a writing client, row counts, the topology, and plots."""
