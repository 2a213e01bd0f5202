"""Whose a helper pod is: the process that made it, so that what a killed run left is known as such."""

from __future__ import annotations

import getpass
import os
import platform
from pathlib import Path

ANNOTATION = "pgnb/process"
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_PIDS = Path("/proc/self/ns/pid")
_STARTED = 19
"""The place of a process's start in /proc/PID/stat, counted behind its name."""


def this_process() -> str:
    """This process in words that no other has anywhere; empty where the system has no /proc."""
    return _words(os.getpid())


def this_run() -> str:
    """This process in a person's words: user, host and PID."""
    return f"{getpass.getuser()}@{platform.node()}, PID {os.getpid()}"


def has_died(process: str) -> bool:
    """Whether that process, by `this_process`, would be seen from here if it lived, and is not there.

    One of another machine, container or user is never said to be dead: nobody here can know.
    """
    place, _, number = process.rpartition("/")
    pid = number.partition("-")[0]
    return bool(pid.isdigit()) and place == _place() and _words(int(pid)) != process


def _words(pid: int) -> str:
    """Place, PID and start: a PID is given out again, though not at the same tick."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return f"{_place()}/{pid}-{stat.rpartition(')')[2].split()[_STARTED]}"


def _place() -> str:
    """Where a PID has its meaning, and whose processes are seen there: boot, PID namespace and user."""
    try:
        return f"{_BOOT.read_text(encoding='utf-8').strip()}/{_PIDS.readlink()}/{os.getuid()}"
    except OSError:
        return ""
