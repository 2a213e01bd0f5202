"""Kubernetes manifests, as data: the sample primary, the standby, access rights."""
