"""Whose a helper pod is: the process that made it, so that what a killed run left is known as such."""

from __future__ import annotations

import getpass
import os
import platform

from pgnb.core.process import has_died, this_process

__all__ = ["ANNOTATION", "WORK", "has_died", "this_process", "this_run"]

ANNOTATION = "pgnb/process"
WORK = "pgnb/work"
"""What a helper works at, of one that goes on when its run is killed: the next run takes it over."""


def this_run() -> str:
    """This process in a person's words: user, host and PID."""
    return f"{getpass.getuser()}@{platform.node()}, PID {os.getpid()}"
