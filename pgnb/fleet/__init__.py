"""Runs of notebooks on many databases: one Indexed Job, records in an object store, one report."""
