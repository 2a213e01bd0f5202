"""Fixtures of this folder; what they are made of stands in replaying."""

from replaying import cluster, kubeconfig, primary, replay

__all__ = ["cluster", "kubeconfig", "primary", "replay"]
