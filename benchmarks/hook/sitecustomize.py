"""Loaded by every Python process whose PYTHONPATH names this folder: at its end it writes what it used.

A kernel is measured from within: its peak of memory, and how often it asked the API server (requests, and
streams for exec and port-forward) and PostgreSQL (each time that psycopg waits for the server).
"""

import atexit
import http.client
import json
import os
from pathlib import Path
from typing import Any


def peak() -> int:
    """The most memory that this process had at a time, in bytes; getrusage's would be its parent's, too."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def _count(owner: type, name: str, key: str, counts: dict[str, int]) -> None:
    original = getattr(owner, name)

    def counting(*given: Any, **named: Any) -> Any:
        counts[key] += 1
        return original(*given, **named)

    setattr(owner, name, counting)


def _begin(folder: str) -> None:
    import aiohttp
    import psycopg

    counts = {"requests": 0, "streams": 0, "statements": 0}
    _count(http.client.HTTPConnection, "putrequest", "requests", counts)
    _count(aiohttp.ClientSession, "ws_connect", "streams", counts)
    _count(psycopg.Connection, "wait", "statements", counts)

    def write() -> None:
        said = {**counts, "peak": peak(), "journal": os.environ.get("PGNB_JOURNAL", "")}
        Path(folder, f"{os.getpid()}.json").write_text(json.dumps(said), "utf-8")

    # A kernel ends by os._exit, before what was registered earlier.
    leave = os._exit

    def write_and_leave(status: int) -> None:
        write()
        leave(status)

    os._exit = write_and_leave  # type: ignore[assignment]
    atexit.register(write)


if "PGNB_BENCH_MEASURED" in os.environ:
    _begin(os.environ["PGNB_BENCH_MEASURED"])
