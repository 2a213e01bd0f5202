"""Who made a helper pod or a record: a process by a globally unique ID, whether it has died, and its user."""

from __future__ import annotations

import getpass
import os
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_PIDS = Path("/proc/self/ns/pid")
_STARTED = 19
"""Position of a process's start time in /proc/PID/stat, counted after its name."""


def this_process() -> str:
    """Return a globally unique ID of this process; "" without /proc."""
    return _words(os.getpid())


def user_name() -> str:
    """Return the name of this process's user; a number for one without a name, as a container may have."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # OSError from Python 3.13 on.
        return f"uid {os.getuid()}"


def has_died(process: str) -> bool:
    """Return whether the process with this ID would be visible from here if it were alive, and is not there.

    False for a process of another machine, container or user, because it cannot be seen from here.
    """
    place, _, number = process.rpartition("/")
    pid = number.partition("-")[0]
    return bool(pid.isdigit()) and place == _place() and _words(int(pid)) != process


def _words(pid: int) -> str:
    """Return scope, PID and start time of a process; the start time tells reused PIDs apart."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else f"{_place()}/{pid}-{fields[_STARTED]}"


def _place() -> str:
    """Return the scope of a PID: boot ID, PID namespace, user."""
    try:
        return f"{_BOOT.read_text(encoding='utf-8').strip()}/{_PIDS.readlink()}/{os.getuid()}"
    except OSError:
        return ""
