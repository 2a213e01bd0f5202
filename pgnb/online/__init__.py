"""Section 6: changes of a running replication, in the order that keeps it running."""
