"""PID 1 of the wrapper: starts every process of the cluster, reaps every one, and ends all with itself.

It is small and has one thread, so that it can fork and change namespaces safely, which the daemon with its
event loop and threads cannot. The daemon is its child and asks over a socket:

    {"id", "kind": "sandbox" | "container" | "exec" | "run"} + [details, status, stdin, stdout, stderr]
        → {"id", "pid"} + [pidfd], later {"id", "exit": code}; or {"id", "error"}
    {"id", "kind": "socket", "sandbox": pid} → {"id"} + [a TCP socket in that network namespace]
    {"id", "kind": "sweep"} + [mount namespace] → {"id"}: what was left in it has been killed

The status socket says how the start went: closed without a word when the command was executed.
The spawner ends when the daemon ends or closes the socket, and the kernel then kills all processes of its PID
namespace (pid_namespaces(7)).
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pgnb_rehearsal.pods import child_setup, syscalls
from pgnb_rehearsal.pods.messages import Message, receive, send

_SETUPS: dict[str, Callable[[Message, list[int]], None]] = {
    "sandbox": child_setup.sandbox,
    "container": child_setup.container,
    "exec": child_setup.execute,
    "run": child_setup.run,
}


class Spawner:
    """The loop of PID 1. `control` is its end of the socket, `daemon` the process that must not end first."""

    def __init__(self, control: socket.socket, daemon: int | None) -> None:
        self._control = control
        self._daemon = daemon
        self._requests: dict[int, int] = {}  # pid → id of the request that started it
        self._outbox: deque[tuple[Message, list[int]]] = deque()
        self._own_pids = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        self._own_network = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self._ended: int | None = None
        self._selector = selectors.DefaultSelector()

    def run(self) -> int:
        """Serve until the daemon is gone; its exit status."""
        self._control.setblocking(False)
        self._selector.register(self._control, selectors.EVENT_READ)
        wakeup, wakeup_writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._selector.register(wakeup, selectors.EVENT_READ)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._pass_on)
        signal.set_wakeup_fd(wakeup_writer, warn_on_full_buffer=False)
        self._reap()  # the daemon may have ended before the handler stood
        while self._ended is None:
            self._step(wakeup)
        return self._ended

    def _step(self, wakeup: int) -> None:
        for key, events in self._selector.select():
            if key.fd == wakeup:
                os.read(wakeup, 4096)
                self._reap()
            elif events & selectors.EVENT_READ:
                self._read()
        self._flush()

    def _pass_on(self, number: int, _frame: object) -> None:
        if self._daemon is None:
            self._ended = 0
        else:
            os.kill(self._daemon, number)

    def _read(self) -> None:
        try:
            request = receive(self._control)
        except BlockingIOError:
            return
        except ConnectionError:
            request = None
        if request is None:
            self._ended = 0
            return
        message, fds = request
        try:
            self._serve(message, fds)
        except OSError as error:
            self._answer({"id": message["id"], "error": str(error), "errno": error.errno})
        finally:
            for fd in fds:
                os.close(fd)

    def _serve(self, message: Message, fds: list[int]) -> None:
        if message["kind"] == "socket":
            self._answer({"id": message["id"]}, [self._socket_in(message["sandbox"])])
        elif message["kind"] == "sweep":
            _sweep(fds[0])
            self._answer({"id": message["id"]})
        else:
            self._spawn(message, fds)

    def _spawn(self, message: Message, fds: list[int]) -> None:
        with self._pids_for_children(message.get("pids")):
            signal.pthread_sigmask(signal.SIG_BLOCK, child_setup.HANDLED)
            pid = os.fork()
            if pid == 0:
                child_setup.run_child(_SETUPS[message["kind"]], message, fds)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, child_setup.HANDLED)
        self._requests[pid] = message["id"]
        self._answer({"id": message["id"], "pid": pid}, [os.pidfd_open(pid)])

    @contextmanager
    def _pids_for_children(self, place: object) -> Iterator[None]:
        """Let the next child be PID 1 of a new namespace ("new"), or a member of that of process `place`."""
        if place is None:
            yield
            return
        if place == "new":
            syscalls.unshare(syscalls.CLONE_NEWPID)
        else:
            self._enter(int(str(place)), "pid", syscalls.CLONE_NEWPID)
        try:
            yield
        finally:
            syscalls.setns(self._own_pids, syscalls.CLONE_NEWPID)

    def _enter(self, pid: int, name: str, kind: int) -> None:
        if pid not in self._requests:  # so that a number that was given away again is never entered
            raise ProcessLookupError(3, f"process {pid} has ended")
        fd = os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            syscalls.setns(fd, kind)
        finally:
            os.close(fd)

    def _socket_in(self, sandbox: int) -> int:
        self._enter(sandbox, "net", syscalls.CLONE_NEWNET)
        try:
            return socket.socket(socket.AF_INET, socket.SOCK_STREAM).detach()
        finally:
            syscalls.setns(self._own_network, syscalls.CLONE_NEWNET)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._on_exit(pid, os.waitstatus_to_exitcode(status))

    def _on_exit(self, pid: int, code: int) -> None:
        code = code if code >= 0 else 128 - code
        if pid == self._daemon:
            self._ended = code
        request = self._requests.pop(pid, None)  # None: an orphan that was left to PID 1
        if request is not None:
            self._answer({"id": request, "exit": code})

    def _answer(self, message: Message, fds: Sequence[int] = ()) -> None:
        self._outbox.append((message, list(fds)))

    def _flush(self) -> None:
        """Send what can be sent: the spawner never blocks on a daemon that is busy sending to it."""
        while self._outbox:
            message, fds = self._outbox[0]
            try:
                send(self._control, message, fds)
            except BlockingIOError:
                self._selector.modify(self._control, selectors.EVENT_READ | selectors.EVENT_WRITE)
                return
            except ConnectionError:
                self._ended = 0
                return
            self._outbox.popleft()
            for fd in fds:
                os.close(fd)
        self._selector.modify(self._control, selectors.EVENT_READ)


def _sweep(mounts: int) -> None:
    """Kill what a container left in a PID namespace that it shared, found by its mount namespace.

    The descriptor keeps the namespace alive, so that its number is not another one's by now.
    """
    wanted = os.fstat(mounts).st_ino
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _mount_namespace(int(entry.name)) == wanted:
            os.kill(int(entry.name), signal.SIGKILL)


def _mount_namespace(pid: int) -> int | None:
    try:
        return Path(f"/proc/{pid}/ns/mnt").stat().st_ino
    except OSError:
        return None  # it has ended
