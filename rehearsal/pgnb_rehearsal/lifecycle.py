"""Up, down, status and reset of rehearsal clusters.

`up` binds the API server's socket on 127.0.0.1, then starts the daemon as PID 1's child of a wrapper of
namespaces (pods/wrapper.py). All that the cluster runs lives below that PID 1 and dies with it; all that it
writes lies in one directory, which `down` deletes.
"""

from __future__ import annotations

import http.client
import os
import secrets
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from pgnb_rehearsal import certificates, sample
from pgnb_rehearsal.client import Client
from pgnb_rehearsal.cluster_objects import API_CLUSTER_IP
from pgnb_rehearsal.errors import RehearsalError
from pgnb_rehearsal.kubeconfig import Access, context_name, read_access, write_kubeconfig
from pgnb_rehearsal.pods import image_directory, wrapper
from pgnb_rehearsal.pods.images import require as require_postgres
from pgnb_rehearsal.pods.network import NODE_ADDRESS
from pgnb_rehearsal.settings import Options, Settings
from pgnb_rehearsal.state import Process, State, locate, locked
from pgnb_rehearsal.waiting import until

DEFAULT_NAME = "rehearsal"
API_ADDRESSES = ("127.0.0.1", API_CLUSTER_IP, NODE_ADDRESS)
"""Where the API server answers: on this machine, and for pods as the Service `kubernetes` and on the node."""
_NOT_WHOLE = (OSError, ValueError, TypeError, LookupError, AttributeError, yaml.YAMLError)
"""What reading a kubeconfig or settings raises that were lost or emptied."""
_START_PATIENCE = 120.0
_STOP_PATIENCE = 5.0
_ANSWER_PATIENCE = 5.0
_LOG_LINES = 8


def _silent(_: str) -> None:
    """Progress that nobody asked for."""


@dataclass(frozen=True)
class Rehearsal:
    """A running cluster: where its kubeconfig, state and log are, and the daemon's PID on this machine."""

    name: str
    server: str
    context: str
    kubeconfig: Path
    state: Path
    log: Path
    pid: int
    options: Options


def up(
    name: str = DEFAULT_NAME,
    *,
    state_home: Path | None = None,
    sample: bool = True,
    volume_delay: float | None = None,
    postgres: str = "17",
    many_users: bool = False,
    initdb_copies: Path | None = None,
    images: Mapping[str, Path] | None = None,
    on_progress: Callable[[str], None] = _silent,
) -> Rehearsal:
    """Starts the cluster `name`, or returns the one that runs already (with its own options).

    `sample`: also the sample primary with data, Ready, and its writing client. `volume_delay`: seconds after
    which mounted ConfigMaps and Secrets follow their object. `postgres`: tag of the sample's image.
    `many_users`: containers of a pod may have different users, and the image starts as root (root only).
    `initdb_copies`: a directory where images keep what initdb makes, for this cluster and others to copy.
    `images`: further images by name, each made of a directory (see pods/image_directory.py).
    RehearsalError says what this machine lacks, or what the cluster waits for.
    """
    state = locate(name, state_home)
    if sample:
        require_postgres(postgres)
    for image, directory in (images or {}).items():
        image_directory.read(image, directory)
    with locked(state):
        running = _find(state)
        if running is None or not _answers(read_access(running.kubeconfig), _ANSWER_PATIENCE):
            _clear(state)
            copies = None if initdb_copies is None else str(initdb_copies)
            made = {image: str(directory.resolve()) for image, directory in (images or {}).items()}
            options = Options(sample, volume_delay, postgres, many_users, copies, made)
            running = _start(state, options, on_progress)
    if sample:
        _fill(running, postgres, on_progress)
    return running


def down(name: str = DEFAULT_NAME, *, state_home: Path | None = None) -> bool:
    """Ends the cluster and deletes its state; False when there was none."""
    state = locate(name, state_home)
    with locked(state):
        existed = state.exists()
        _clear(state)
        return existed


def status(name: str = DEFAULT_NAME, *, state_home: Path | None = None) -> Rehearsal | None:
    """The running cluster, or None."""
    return _find(locate(name, state_home))


def reset(
    name: str = DEFAULT_NAME,
    *,
    state_home: Path | None = None,
    on_progress: Callable[[str], None] = _silent,
) -> Rehearsal:
    """A fresh cluster with the options of the present one; RehearsalError when there is none."""
    state = locate(name, state_home)
    try:
        options = Settings.read(state.settings).options
    except _NOT_WHOLE:
        raise _not_there(state) from None
    down(name, state_home=state_home)
    return up(
        name,
        state_home=state_home,
        sample=options.sample,
        volume_delay=options.volume_delay,
        postgres=options.postgres,
        many_users=options.many_users,
        initdb_copies=None if options.initdb_copies is None else Path(options.initdb_copies),
        images={image: Path(directory) for image, directory in options.images.items()},
        on_progress=on_progress,
    )


def kubeconfig(name: str = DEFAULT_NAME, *, state_home: Path | None = None) -> Path:
    """The kubeconfig of the running cluster; RehearsalError when it does not run."""
    running = status(name, state_home=state_home)
    if running is None:
        raise _not_there(locate(name, state_home))
    return running.kubeconfig


def remains(name: str = DEFAULT_NAME, *, state_home: Path | None = None) -> Path | None:
    """Where something is left of a cluster that does not run, or not whole; None where nothing is."""
    state = locate(name, state_home)
    return state.path if state.exists() and _find(state) is None else None


def _not_there(state: State) -> RehearsalError:
    left = f"remains of one in {state.path}" if state.exists() else "no running daemon in its state directory"
    return RehearsalError(
        f"There is no rehearsal cluster {state.name!r}.", found=left, remedy="`pgnb rehearsal up` starts it"
    )


def _find(state: State) -> Rehearsal | None:
    """The cluster whose daemon lives, whose start was completed, and whose files are whole."""
    process = state.daemon()
    if process is None:
        return None
    try:
        server = read_access(state.kubeconfig).server
        return _described(state, process, server, Settings.read(state.settings).options)
    except _NOT_WHOLE:
        return None


def _described(state: State, process: Process, server: str, options: Options) -> Rehearsal:
    context = context_name(state.name)
    return Rehearsal(
        state.name, server, context, state.kubeconfig, state.path, state.log, process.pid, options
    )


def _clear(state: State) -> None:
    """Ends what is left of a cluster and deletes its state. PID 1's end is the end of all its processes."""
    process = state.daemon()
    if process is not None:
        process.signal(signal.SIGTERM)
        if not process.wait(_STOP_PATIENCE):
            process.signal(signal.SIGKILL)
            process.wait(_STOP_PATIENCE)
    if state.exists():
        state.remove()


def _start(state: State, options: Options, on_progress: Callable[[str], None]) -> Rehearsal:
    """Starts the daemon and waits for its API server; leaves nothing behind when that fails."""
    on_progress("API server and node")
    state.create()
    try:
        with _listener() as listener:
            server = f"https://127.0.0.1:{listener.getsockname()[1]}"
            token = secrets.token_urlsafe(32)
            issued = certificates.issue(state.name, API_ADDRESSES)
            Settings(state.name, token, issued, options).write(state.settings)
            process = _launch(state, listener, many_users=options.many_users)
        access = Access(server, issued.ca, token)
        _await_api(state, process, access)
        write_kubeconfig(state.kubeconfig, state.name, access)
    except BaseException as error:
        said = _last_lines(state)
        _clear(state)
        if isinstance(error, _DaemonEnded):
            raise RehearsalError(
                "The daemon of the rehearsal cluster ended while it started.", found=said
            ) from None
        raise
    return _described(state, process, server, options)


@contextmanager
def _listener() -> Iterator[socket.socket]:
    """A listening socket on a free port of 127.0.0.1, to be inherited by the daemon."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen(512)
        yield listener


def _launch(state: State, listener: socket.socket, *, many_users: bool) -> Process:
    """Starts the daemon in its wrapper and writes down which process it is.

    The daemon waits for a word on a pipe before it begins: were this process killed before it had written
    down the PID, the pipe would close, and the daemon would end instead of staying behind unknown.
    """
    reader, writer = os.pipe()
    try:
        argv = [sys.executable, "-m", "pgnb_rehearsal.daemon", str(state.path)]
        argv += [str(listener.fileno()), str(reader)]
        pid = wrapper.enter(argv, [listener.fileno(), reader], log=state.log, many=many_users)
        process = Process.of(pid)
        state.remember(process)
        os.write(writer, b"go")
    finally:
        os.close(reader)
        os.close(writer)
    return process


class _DaemonEnded(Exception):
    """The daemon's process is gone before its API server answered."""


def _await_api(state: State, process: Process, access: Access) -> None:
    def ready() -> bool:
        if not process.is_alive():
            raise _DaemonEnded
        return _answers(access, _START_PATIENCE)

    until(ready, _START_PATIENCE, what="the API server ready", found=lambda: _last_lines(state))


def _answers(access: Access, timeout: float) -> bool:
    """True when the API server says within `timeout` seconds that it is ready."""
    client = Client(access, timeout=timeout)
    try:
        return client.request("GET", "/readyz")[0] == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        client.close()


def _last_lines(state: State) -> str:
    try:
        lines = state.log.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return "no log"
    return "\n          ".join(lines[-_LOG_LINES:]) or "an empty log"


def _fill(running: Rehearsal, postgres: str, on_progress: Callable[[str], None]) -> None:
    client = Client(read_access(running.kubeconfig))
    try:
        sample.deploy(client, postgres, on_progress)
    finally:
        client.close()
