"""What is wrong: evidence of physical and of logical replication, and the findings that follow from it."""
