"""A process by a name that no other has anywhere: whose a helper pod or a record is, and whether it died."""

from __future__ import annotations

import os
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_PIDS = Path("/proc/self/ns/pid")
_STARTED = 19
"""The place of a process's start in /proc/PID/stat, counted behind its name."""


def this_process() -> str:
    """This process in words that no other has anywhere; empty where the system has no /proc."""
    return _words(os.getpid())


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
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else f"{_place()}/{pid}-{fields[_STARTED]}"


def _place() -> str:
    """Where a PID has its meaning, and whose processes are seen there: boot, PID namespace and user."""
    try:
        return f"{_BOOT.read_text(encoding='utf-8').strip()}/{_PIDS.readlink()}/{os.getuid()}"
    except OSError:
        return ""
