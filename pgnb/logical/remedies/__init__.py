"""Remedies for what a diagnosis finds: plans, each confirmed by the name of what it changes."""

from pgnb.logical.remedies.choose import REMEDIES, plan_remedy

__all__ = ["REMEDIES", "plan_remedy"]
