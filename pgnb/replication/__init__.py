"""Physical replication: slots, the source's proof, the standby and its base backup, and how it stands."""
