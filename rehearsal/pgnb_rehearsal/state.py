"""Where a rehearsal cluster keeps its state, and how its daemon is recognised.

Everything lies in one directory: $PGNB_STATE_HOME, else $XDG_STATE_HOME/pgnb, else ~/.local/state/pgnb, and
below it the cluster's name. A process is known by its start time and the machine's boot, not by PID alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import select
import shutil
import signal
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from pgnb_rehearsal.errors import RehearsalError

LAUNCHER = b"pgnb_rehearsal.pods.launcher"
"""The module that a cluster's PID 1 was started as (pods/wrapper.py): `-m`, it, a descriptor, the log."""
_TRIES = 1000
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")


def state_home(given: Path | None = None) -> Path:
    """The directory that holds the clusters' directories."""
    if given is not None:
        return given.absolute()
    own = os.environ.get("PGNB_STATE_HOME")
    if own:
        return Path(own).absolute()
    xdg = os.environ.get("XDG_STATE_HOME")
    return (Path(xdg) if xdg else Path.home() / ".local" / "state") / "pgnb"


@dataclass(frozen=True)
class Process:
    """A process of this machine, told apart from a later one with the same PID."""

    pid: int
    start_time: int
    boot_id: str

    @classmethod
    def of(cls, pid: int) -> Process:
        """The process that has `pid` now; ProcessLookupError when there is none."""
        return cls(pid, _start_time(pid), _boot_id())

    def is_alive(self) -> bool:
        try:
            return self == Process.of(self.pid)
        except ProcessLookupError:
            return False

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal; nothing happens when the process has ended."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            # The handle is on whoever has the PID now: only if that is this process, the signal goes there.
            if self.is_alive():
                signal.pidfd_send_signal(handle, number)
        except ProcessLookupError:
            return
        finally:
            os.close(handle)

    def wait(self, timeout: float) -> bool:
        """True once the process has ended, False after `timeout` seconds."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return True
        try:
            return not self.is_alive() or bool(select.select([handle], [], [], timeout)[0])
        finally:
            os.close(handle)


def _start_time(pid: int) -> int:
    """Clock ticks since boot (proc(5), field 22 of stat); a zombie counts as ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        raise ProcessLookupError(pid) from None
    if fields[0] in ("Z", "X"):
        raise ProcessLookupError(pid)
    return int(fields[19])


def _log_of(process: Path) -> str:
    """The log of the cluster whose PID 1 this process is; empty for any other, and for another user's."""
    try:
        words = (process / "cmdline").read_bytes().split(b"\0")
        status = dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines())
    except (OSError, ValueError):
        return ""
    first = status.get("NSpid", "").split()[-1:] == ["1"]
    own = status.get("Uid", "").split()[:1] == [str(os.geteuid())]
    return os.fsdecode(words[4]) if first and own and words[2:3] == [LAUNCHER] and len(words) > 4 else ""


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@dataclass(frozen=True)
class State:
    """The state directory of one cluster."""

    name: str
    path: Path

    @property
    def kubeconfig(self) -> Path:
        return self.path / "kubeconfig"

    @property
    def log(self) -> Path:
        return self.path / "daemon.log"

    @property
    def settings(self) -> Path:
        """What the daemon is started with; holds its bearer token, mode 0600."""
        return self.path / "settings.json"

    @property
    def volumes(self) -> Path:
        return self.path / "volumes"

    @property
    def node(self) -> Path:
        """The kubelet's and the runtime's directory."""
        return self.path / "node"

    @property
    def _pid_file(self) -> Path:
        return self.path / "daemon.json"

    def exists(self) -> bool:
        return self.path.is_dir()

    def create(self) -> None:
        for directory in (self.path, self.volumes, self.node):
            directory.mkdir(mode=0o700, parents=True)

    def remember(self, process: Process) -> None:
        write_private(self._pid_file, json.dumps(asdict(process)))

    def daemon(self) -> Process | None:
        """The running daemon's PID 1, or None when there is none (any more).

        One that nobody has written down, or whose file was lost, is known by the log that it was given.
        """
        try:
            process = Process(**json.loads(self._pid_file.read_text()))
        except (OSError, ValueError, TypeError):
            return self._unwritten()
        return process if process.is_alive() else self._unwritten()

    def _unwritten(self) -> Process | None:
        log = os.path.realpath(self.log)
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and os.path.realpath(_log_of(entry)) == log:
                with contextlib.suppress(ProcessLookupError):
                    return Process.of(int(entry.name))
        return None

    def remove(self) -> None:
        """Deletes the directory and all below it."""
        for directory, _, _ in os.walk(self.path):
            # A container may have taken its own rights away from a directory of its volume.
            with contextlib.suppress(OSError):
                Path(directory).chmod(stat.S_IRWXU)
        shutil.rmtree(self.path, ignore_errors=True)
        if self.path.exists():
            left = sorted(str(path) for path in self.path.rglob("*"))[:3]
            raise RehearsalError(
                f"The state of the rehearsal cluster {self.name!r} could not be deleted.",
                found=", ".join(left) or str(self.path),
                remedy=f"delete {self.path} as the user who owns it",
            )


def locate(name: str, home: Path | None = None) -> State:
    """The state of the cluster `name`; RehearsalError when that is no name for one."""
    if not _NAME.fullmatch(name):
        raise RehearsalError(
            "That is no name for a rehearsal cluster.",
            found=repr(name),
            remedy="use at most 40 lower-case letters, digits and hyphens, a letter or digit at both ends",
        )
    return State(name, state_home(home) / name)


@contextlib.contextmanager
def locked(state: State) -> Iterator[None]:
    """One command at a time changes a cluster; the lock's file goes away with the cluster's directory."""
    path = state.path.with_name(f"{state.name}.lock")
    handle = _lock(path)
    try:
        yield
    finally:
        if not state.exists():
            path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # other clusters, or other files, live there still
                path.parent.rmdir()
        os.close(handle)


def _lock(path: Path) -> int:
    """Waits for the lock and holds it; a file that was unlinked meanwhile locks nobody out, so look again.

    So does a directory that another command removes with its last cluster; one where no file can be made
    answers the same, but each time.
    """
    failure: OSError = FileNotFoundError()
    for _ in range(_TRIES):
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except FileNotFoundError as gone:
            failure = gone
            continue
        except OSError as error:
            failure = error
            break
        fcntl.flock(handle, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError):
            if os.fstat(handle).st_ino == path.stat().st_ino:
                return handle
        os.close(handle)
    raise RehearsalError(
        f"No state of a rehearsal cluster can be kept in {path.parent}.",
        found=str(failure),
        remedy="name a directory of your own with --state-home or $PGNB_STATE_HOME",
    )


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner may read, whole or not at all."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)
