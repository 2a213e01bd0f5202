"""Makes the wrapper's namespaces and becomes its PID 1; run by `wrapper.enter` in an interpreter of its own.

    launcher (the caller's namespaces) ── writes the ID maps, ends
      └─ founder (new user, mount, network and PID namespaces) ── reports PID 1's number, ends
           └─ PID 1: mounts, network, then the spawner's loop
                └─ the daemon

Each stage has a name, which a failure is reported under (see probe.py for what each means).
"""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from pgnb_rehearsal.pods import identity, messages, network, syscalls
from pgnb_rehearsal.pods.spawner import Spawner

Job = dict[str, Any]


class Report:
    """The channel to the caller: lines of JSON on a pipe, which ends when nobody is at work any more."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def say(self, **what: object) -> None:
        os.write(self._fd, json.dumps(what).encode() + b"\n")

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Name what is being tried; a failure is reported and ends the process."""
        try:
            yield
        except subprocess.CalledProcessError as error:
            self._fail(name, 0, (error.stderr or str(error)).strip())
        except OSError as error:
            self._fail(name, error.errno or 0, str(error))

    def _fail(self, name: str, errno: int, text: str) -> NoReturn:
        self.say(stage=name, errno=errno, error=text)
        os._exit(1)


def main() -> None:
    """Read the job from the descriptor named on the command line, and carry it out."""
    job: Job = messages.read_details(int(sys.argv[1]))
    report = Report(job["report"])
    unshared, founder_says = os.pipe()
    go, launcher_says = os.pipe()
    founder = os.fork()
    if founder == 0:
        os.close(unshared)
        os.close(launcher_says)
        _found(job, report, founder_says, go)
    os.close(founder_says)
    os.close(go)
    if os.read(unshared, 1):
        with report.stage("map"):
            _write_maps(founder, many=job["many"])
        os.write(launcher_says, b"g")
    os.waitpid(founder, 0)


def _write_maps(founder: int, *, many: bool) -> None:
    process = Path(f"/proc/{founder}")
    foreign = identity.first_of_many() if many else identity.foreign_id()
    if many and foreign is None:
        raise PermissionError(errno.EPERM, "only root can map many users")
    if os.geteuid() != 0:
        (process / "setgroups").write_text("deny")
    (process / "uid_map").write_text(identity.wrapper_map(os.geteuid(), foreign, many=many))
    (process / "gid_map").write_text(identity.wrapper_map(os.getegid(), foreign, many=many))


def _found(job: Job, report: Report, says: int, go: int) -> NoReturn:
    with report.stage("user"):
        syscalls.unshare(syscalls.CLONE_NEWUSER)
    os.write(says, b"u")
    if not os.read(go, 1):
        os._exit(1)  # the launcher could not write the maps, and has said so
    with report.stage("namespaces"):
        syscalls.unshare(syscalls.CLONE_NEWNS | syscalls.CLONE_NEWNET | syscalls.CLONE_NEWPID)
    first = os.fork()
    if first == 0:
        os.close(says)
        os.close(go)
        _be_first(job, report)
    report.say(pid=first)
    os._exit(0)


def _be_first(job: Job, report: Report) -> NoReturn:
    """PID 1: what it mounts, only the wrapper sees."""
    os.setsid()
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    with report.stage("mount"):
        syscalls.mount("none", "/", flags=syscalls.MS_REC | syscalls.MS_PRIVATE)
    with report.stage("proc"):
        flags = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
        syscalls.mount("proc", "/proc", "proc", flags)
    with report.stage("network"):
        network.build_bridge()
    control, daemon = _control(job)
    report.say(ready=True)
    os.close(job["report"])
    syscalls.set_name("pgnb-rehearsal")
    os._exit(Spawner(control, daemon).run())


def _control(job: Job) -> tuple[socket.socket, int | None]:
    """The spawner's socket and the daemon, or no daemon where the caller holds the other end itself."""
    if job["control"] is not None:
        os.set_inheritable(job["control"], False)
        return socket.socket(fileno=job["control"]), None
    ours, theirs = messages.pair()
    daemon = os.fork()
    if daemon == 0:
        ours.close()
        os.close(job["report"])
        _be_daemon(job, theirs)
    theirs.close()
    for fd in job["fds"]:
        os.close(fd)
    return ours, daemon


def _be_daemon(job: Job, control: socket.socket) -> NoReturn:
    try:
        os.setsid()
        os.set_inheritable(control.fileno(), True)
        os.environ[identity.MARK] = "1"
        os.environ[messages.CONTROL_FD] = str(control.fileno())
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.execvp(job["argv"][0], job["argv"])
    except OSError as error:
        sys.stderr.write(f"{job['argv'][0]}: {error}\n")
        sys.stderr.flush()
    finally:
        os._exit(127)


if __name__ == "__main__":
    main()
