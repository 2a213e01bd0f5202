"""Diagnose physical and logical replication: collect evidence, then derive findings from it."""
