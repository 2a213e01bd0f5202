"""The queries of the diagnosis."""
