"""Runs of notebooks on many databases, as one Indexed Job of Kubernetes."""
