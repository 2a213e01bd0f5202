"""The process that made a helper pod, by which the next run recognizes what a killed run left."""

from __future__ import annotations

import os
import platform

from pgnb.core.process import has_died, this_process, user_name

__all__ = ["ANNOTATION", "WORK", "has_died", "this_process", "this_run"]

ANNOTATION = "pgnb/process"
WORK = "pgnb/work"
"""The work of a helper that outlives a killed run: the next run takes it over."""


def this_run() -> str:
    """Return this process for a reader: user, host and PID."""
    return f"{user_name()}@{platform.node()}, PID {os.getpid()}"
