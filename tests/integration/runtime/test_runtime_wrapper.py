"""The wrapper: as whoever starts it, from outside, and when anything in it is killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import pgnb
import pgnb_rehearsal
from pgnb_rehearsal.errors import RehearsalError
from pgnb_rehearsal.pods import identity, probe, wrapper
from pgnb_rehearsal.postgres.binaries import OVERRIDE, installations
from pgnb_rehearsal.waiting import until

pytestmark = pytest.mark.long

NOBODY = 65534
_PACKAGES = os.pathsep.join(
    str(Path(package.__file__ or "").parents[1]) for package in (pgnb, pgnb_rehearsal)
)


@dataclass(frozen=True)
class Starter:
    """How somebody starts Python: `command`, and the `env` in which pgnb and PostgreSQL are found."""

    command: list[str]
    env: dict[str, str]
    directory: Path

    def enter(self) -> tuple[int, dict[str, object]]:
        """The PID of a new wrapper and what the process in it tells about itself."""
        script = self.directory / "enter.py"
        done = subprocess.run(
            [*self.command, str(script), str(self.directory)], env=self.env, capture_output=True, timeout=60
        )
        said = json.loads(done.stdout or b"{}")
        assert "pid" in said, f"{said} {done.stderr.decode()}"
        with socket.create_connection(("127.0.0.1", said["port"]), timeout=60) as connection:
            facts = connection.makefile().readline()
        assert facts, (self.directory / "log").read_text()
        return said["pid"], json.loads(facts)


def _readable_python(directory: Path) -> list[str]:
    """A command that starts this version of Python or a later one, without packages, as nobody."""
    for candidate in (sys.executable, sys._base_executable, "/usr/bin/python3", "/usr/local/bin/python3"):  # type: ignore[attr-defined]
        command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", candidate]
        # Once more from within: setpriv itself may still reach what its successor cannot.
        again = "import subprocess, sys; subprocess.run([sys.executable, '-c', ''], check=True)"
        check = [*command, "-c", f"{again}; sys.exit(sys.version_info < (3, 11))"]
        if subprocess.run(check, capture_output=True, cwd=directory, check=False).returncode == 0:
            return command
    home = directory / "python"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    ignored = shutil.ignore_patterns("site-packages", "test", "__pycache__")
    shutil.copytree(Path(sys.base_prefix, "lib", version), home / "lib" / version, ignore=ignored)
    for library in Path(sys.base_prefix, "lib").glob("libpython*"):
        shutil.copy(library, home / "lib" / library.name)
    (home / "bin").mkdir()
    shutil.copy(Path(sys._base_executable).resolve(), home / "bin" / version)  # type: ignore[attr-defined]
    return [*command[:-1], "env", f"LD_LIBRARY_PATH={home}/lib", str(home / "bin" / version)]


@pytest.fixture(params=["whoever runs the tests", "an ordinary user"])
def starter(request: pytest.FixtureRequest, tmp_path: Path) -> Starter:
    """Whoever runs the tests; and, for root, also somebody without any right."""
    here = Path(__file__).parent
    for name in ("enter.py", "errand.py"):
        shutil.copy(here / name, tmp_path / name)
    roots = [Path(package.__file__ or "").parent for package in (pgnb, pgnb_rehearsal)]
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": _PACKAGES}
    if request.param == "whoever runs the tests" or os.geteuid() != 0:
        return Starter([sys.executable], env, tmp_path)
    # Neither the checkout nor the environment may be readable to others: give them copies.
    source = installations(for_others=False)[0].binds[0][0]
    for root in roots:
        shutil.copytree(root, tmp_path / root.name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(source, tmp_path / "postgresql", symlinks=True)
    subprocess.run(["chmod", "-R", "go+rX", str(tmp_path)], check=True)
    for directory in (tmp_path, *tmp_path.parents):
        if directory.name.startswith(("pytest-", "popen-", tmp_path.name)):
            directory.chmod(0o711)
    os.chown(tmp_path, NOBODY, NOBODY)
    env |= {"PYTHONPATH": str(tmp_path), OVERRIDE: str(tmp_path / "postgresql" / "bin"), "HOME": "/"}
    return Starter(_readable_python(tmp_path), env, tmp_path)


@pytest.fixture
def entered(starter: Starter) -> Iterator[tuple[Starter, int, dict[str, object]]]:
    pid, facts = starter.enter()
    yield starter, pid, facts
    if _alive(pid):
        os.kill(pid, signal.SIGKILL)


Entered = tuple[Starter, int, dict[str, object]]


def test_a_listener_from_outside_a_pod_inside_and_an_orderly_end(entered: Entered) -> None:
    starter, pid, facts = entered
    root = os.geteuid() == 0 and starter.command[0] == sys.executable
    assert facts == {"owner": 1 if root else 0, "uid": 0, "inside": "999\n/\n"}
    # A process that has just begun has no title yet.
    until(lambda: _servers(pid), 60, what="PostgreSQL's processes", found=lambda: str(_below(pid)))
    on_host = {_uid(process) for process in _servers(pid)}
    mine = NOBODY if starter.command[0] == "setpriv" else os.geteuid()
    assert on_host == {identity.foreign_id() if root else mine}
    assert 0 not in on_host
    assert str(starter.directory) not in Path("/proc/self/mounts").read_text()
    assert "pods" not in [link.name for link in Path("/sys/class/net").iterdir()]
    processes = _below(pid)
    os.kill(pid, signal.SIGTERM)  # which is passed on to the process inside
    _await_end(processes)


def _servers(first: int) -> list[int]:
    return [process for process in _below(first) if "postgres:" in _command(process)]


VICTIMS: dict[str, Callable[[int], int]] = {
    "PID 1": lambda first: first,
    "the daemon": lambda first: next(p for p in _below(first) if "errand.py" in _command(p)),
}


@pytest.mark.parametrize("victim", VICTIMS)
def test_nothing_is_left_after_a_kill(entered: Entered, victim: str) -> None:
    _, first, _ = entered
    processes = _below(first)
    assert len(processes) >= 5  # PID 1, the process in it, pause, PostgreSQL with its children
    os.kill(VICTIMS[victim](first), signal.SIGKILL)
    _await_end(processes)


def test_the_probe_is_content_here() -> None:
    probe.check()


def test_the_kernels_refusal_is_explained(tmp_path: Path) -> None:
    # In a user namespace whose own limit is 0 the kernel refuses to make another, as some machines do.
    script = (
        "echo 0 > /proc/sys/user/max_user_namespaces && exec "
        f"{sys.executable} -c 'from pgnb_rehearsal.pods import probe; probe.check()'"
    )
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "sh", "-c", script],
        env=os.environ | {"PYTHONPATH": _PACKAGES},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "The rehearsal cluster cannot start on this machine: user namespaces cannot be made" in done.stderr
    assert "user.max_user_namespaces is 0" in done.stderr
    assert "kind create cluster --name pgnb" in done.stderr


def test_a_daemon_that_cannot_start_ends_the_wrapper(tmp_path: Path) -> None:
    pid = wrapper.enter(["/no/such/program"], log=tmp_path / "log")
    _await_end([pid])
    assert "/no/such/program" in (tmp_path / "log").read_text()


def test_a_launcher_that_cannot_start_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(RehearsalError, match="could not be made") as raised:
        wrapper.enter(["true"], log=tmp_path / "log")
    assert "reported nothing" in raised.value.found


def _await_end(processes: list[int]) -> None:
    deadline = time.monotonic() + 60
    while any(map(_alive, processes)):
        assert time.monotonic() < deadline, [_command(process) for process in processes if _alive(process)]
        time.sleep(0.002)


def _below(first: int) -> list[int]:
    """The processes of a wrapper, seen from outside: all whose ancestor is its PID 1."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has ended
    found = [first]
    for pid in found:
        found.extend(child for child, parent in parents.items() if parent == pid)
    return found


def _command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")


def _uid(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


def _alive(pid: int) -> bool:
    """Whether it runs; a zombie that waits for init has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
