"""Section 6: change settings of a running replication without stopping it."""
