"""The namespaces around the whole cluster: user, mount, network and PID.

All processes of the cluster live below one PID 1. When it ends, however it ends, the kernel kills them all
and drops every mount, network interface and namespace with them (pid_namespaces(7)).
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pgnb.errors import RehearsalError
from pgnb.rehearsal.pods import messages, probe

_ROOT = Path(__file__).resolve().parents[3]
_PATIENCE = 20.0


def enter(
    argv: Sequence[str], pass_fds: Sequence[int] = (), *, log: Path, env: Mapping[str, str] | None = None
) -> int:
    """Start `argv` detached inside a new wrapper; the PID, on the host, of the wrapper's PID 1.

    The process keeps `pass_fds` under the same numbers and writes to `log`. SIGTERM, SIGINT and SIGHUP to the
    PID reach it; when it ends, the wrapper ends. `env` replaces the environment. RehearsalError says what the
    machine lacks.
    """
    with log.open("ab") as output:
        return _launch(list(argv), list(pass_fds), None, output.fileno(), env)


def open_bare(log: Path) -> tuple[int, socket.socket]:
    """A wrapper without a process in it: its PID 1 and the spawner's socket; closing the socket ends it."""
    ours, theirs = messages.pair()
    with theirs, log.open("ab") as output:
        try:
            return _launch([], [], theirs.fileno(), output.fileno(), None), ours
        except BaseException:
            ours.close()
            raise


def _launch(
    argv: list[str], fds: list[int], control: int | None, output: int, env: Mapping[str, str] | None
) -> int:
    probe.require_linux()
    reader, writer = os.pipe()
    job = messages.details_file({"argv": argv, "fds": fds, "control": control, "report": writer})
    kept = [*fds, job, writer, *([] if control is None else [control])]
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "pgnb.rehearsal.pods.launcher", str(job)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=kept,
            env=_environment(os.environ if env is None else env),
            start_new_session=True,
        )
    except BaseException:
        os.close(reader)
        raise
    finally:
        os.close(job)
        os.close(writer)
    try:
        return _await_report(reader)
    finally:
        process.wait()


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    """The environment in which this very package is found, installed or not."""
    return {**given, "PYTHONPATH": os.pathsep.join(filter(None, [str(_ROOT), given.get("PYTHONPATH", "")]))}


def _await_report(reader: int) -> int:
    deadline = time.monotonic() + _PATIENCE
    said: dict[str, Any] = {}
    with open(reader, "rb") as report:
        for line in report:
            said |= json.loads(line)
            if "stage" in said or {"pid", "ready"} <= said.keys() or time.monotonic() > deadline:
                break
    if "stage" in said:
        raise probe.explain(said["stage"], said["errno"], said["error"])
    if not {"pid", "ready"} <= said.keys():
        raise RehearsalError(
            "The namespaces for the rehearsal cluster could not be made.",
            found=f"the launcher ended early and reported {said or 'nothing'}",
            remedy="look at the daemon's log",
        )
    return int(said["pid"])
