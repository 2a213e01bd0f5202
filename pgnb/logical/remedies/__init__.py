"""Remedies for findings: plans, each confirmed by the name of what it changes."""

from pgnb.logical.remedies.choose import REMEDIES, RemedyChoice, plan_remedy
from pgnb.logical.remedies.workers import pending_workers

__all__ = ["REMEDIES", "RemedyChoice", "pending_workers", "plan_remedy"]
