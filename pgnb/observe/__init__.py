"""Looking at replication: lag, load, a client that keeps writing, rows compared, the topology, and plots."""
