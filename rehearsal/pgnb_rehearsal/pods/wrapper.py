"""The namespaces around the whole cluster: user, mount, network and PID.

All processes of the cluster live below one PID 1. When it ends, however it ends, the kernel kills them all
and drops every mount, network interface and namespace with them (pid_namespaces(7)).
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pgnb
from pgnb_rehearsal.errors import RehearsalError
from pgnb_rehearsal.pods import messages, probe

_ROOTS = (Path(__file__).resolve().parents[2], Path(pgnb.__file__).resolve().parents[1])
_PATIENCE = 20.0


def enter(
    argv: Sequence[str],
    pass_fds: Sequence[int] = (),
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    many: bool = False,
) -> int:
    """Start `argv` detached inside a new wrapper; the PID, on the host, of the wrapper's PID 1.

    The process keeps `pass_fds` under the same numbers and writes to `log`. SIGTERM, SIGINT and SIGHUP to the
    PID reach it; when it ends, the wrapper ends. `env` replaces the environment. `many`: containers have
    many users (see identity.py). RehearsalError says what the machine lacks.
    """
    job = {"argv": list(argv), "fds": list(pass_fds), "control": None, "many": many}
    return _launch(job, log, env)


def open_bare(log: Path) -> tuple[int, socket.socket]:
    """A wrapper without a process in it: its PID 1 and the spawner's socket; closing the socket ends it."""
    ours, theirs = messages.pair()
    with theirs:
        try:
            return _launch(
                {"argv": [], "fds": [], "control": theirs.fileno(), "many": False}, log, None
            ), ours
        except BaseException:
            ours.close()
            raise


def _launch(job: dict[str, Any], log: Path, env: Mapping[str, str] | None) -> int:
    """Run the launcher on `job`, and wait until the wrapper is ready."""
    probe.require_basics()
    reader, writer = os.pipe()
    try:
        process = _start(job, log, writer, _environment(os.environ if env is None else env))
        os.close(writer)
        try:
            return _pid(_await_report(reader))
        finally:
            process.wait()
    finally:
        os.close(reader)


def _start(job: dict[str, Any], log: Path, report: int, env: dict[str, str]) -> subprocess.Popen[bytes]:
    details = messages.details_file(job | {"report": report})
    control = [] if job["control"] is None else [job["control"]]
    try:
        with log.open("ab") as output:
            return subprocess.Popen(
                # The log's name tells whoever looks at the processes which cluster this is.
                [sys.executable, "-m", "pgnb_rehearsal.pods.launcher", str(details), str(log)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[*job["fds"], *control, details, report],
                env=env,
                start_new_session=True,
            )
    finally:
        os.close(details)


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    """The environment in which these very packages are found, installed or not."""
    places = [*map(str, _ROOTS), given.get("PYTHONPATH", "")]
    return {**given, "PYTHONPATH": os.pathsep.join(filter(None, places))}


def _await_report(reader: int) -> dict[str, Any]:
    """What the launcher and its children said until the wrapper was ready or failed, or time was up."""
    deadline = time.monotonic() + _PATIENCE
    text = b""
    said: dict[str, Any] = {}
    while not ({"pid", "ready"} <= said.keys() or "stage" in said):
        readable, _, _ = select.select([reader], [], [], max(0.0, deadline - time.monotonic()))
        part = os.read(reader, 4096) if readable else b""
        if not part:
            break
        text += part
        for line in text.splitlines(keepends=True):
            said |= json.loads(line) if line.endswith(b"\n") else {}
    return said


def _pid(said: dict[str, Any]) -> int:
    """PID 1's number from a complete report; RehearsalError otherwise, and nothing is left running."""
    if {"pid", "ready"} <= said.keys():
        return int(said["pid"])
    if "pid" in said:
        _kill(said["pid"])
    if "stage" in said:
        raise probe.explain(said["stage"], said["errno"], said["error"])
    raise RehearsalError(
        "The namespaces for the rehearsal cluster could not be made.",
        found=f"within {_PATIENCE:g} s the launcher reported {said or 'nothing'}",
        remedy="look at the daemon's log",
    )


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # it reported its failure and has ended
