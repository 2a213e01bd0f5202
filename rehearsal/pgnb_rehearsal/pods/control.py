"""The daemon's side of the spawner: ask for processes, and learn how they start and end."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import socket
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from pgnb_rehearsal.pods import child_setup, messages
from pgnb_rehearsal.pods.errors import ContainerGone, StartError
from pgnb_rehearsal.pods.messages import Message


class Refusal(Exception):
    """The process came to be, but not what it was to become; `by_runc` when the command was the cause."""

    def __init__(self, text: str, *, by_runc: bool) -> None:
        super().__init__(text)
        self.by_runc = by_runc


@dataclass
class Child:
    """A process that the spawner started: `pid` in the wrapper, `files` that it handed over at its start."""

    pid: int
    pidfd: int
    exited: asyncio.Future[int]
    files: list[int] = field(default_factory=list)

    def signal(self, number: int) -> None:
        """Send a signal; nothing happens when the process has ended or was let go."""
        if self.pidfd >= 0 and not self.exited.done():
            try:
                signal.pidfd_send_signal(self.pidfd, number)
            except ProcessLookupError:
                return  # it ended, and the spawner's word of it is on its way

    async def wait(self) -> int:
        """The exit code, 128 + n when signal n killed it."""
        return await asyncio.shield(self.exited)


class Control:
    """Requests to the spawner over `connection`; used from one event loop."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[tuple[Message, list[int]]]] = {}
        self._children: dict[int, Child] = {}
        self._outbox: deque[tuple[Message, list[int]]] = deque()
        self._gone = False

    @classmethod
    def inherited(cls) -> Control:
        """The connection that the wrapper gave this process; KeyError outside a wrapper."""
        return cls(socket.socket(fileno=int(os.environ.pop(messages.CONTROL_FD))))

    def start(self) -> None:
        """Begin to listen to the spawner."""
        os.set_inheritable(self._connection.fileno(), False)
        self._connection.setblocking(False)
        asyncio.get_running_loop().add_reader(self._connection, self._read)

    def close(self) -> None:
        """Give up the connection, which ends a wrapper that has no daemon."""
        asyncio.get_running_loop().remove_reader(self._connection)
        self._connection.close()

    async def spawn(
        self, kind: str, details: Message, streams: Sequence[int] = (), *, pids: object = None
    ) -> Child:
        """Start a process and wait until it is what it was to become.

        `streams` (stdin, stdout, stderr) are closed here. Refusal when it could not become that;
        ContainerGone when what it was to enter has ended.
        """
        ours, theirs = messages.pair()
        memory = messages.details_file(details)
        fds = [memory, theirs.detach(), *streams]
        with ours:
            message, (pidfd,) = await self._ask({"kind": kind, "pids": pids}, fds)
            child: Child = message["child"]  # not looked up: it may have ended by now
            child.pidfd = pidfd
            try:
                await self._await_start(ours, child)
            except asyncio.CancelledError:
                child.signal(signal.SIGKILL)
                release(child)
                raise
        return child

    async def socket_in(self, sandbox: int) -> socket.socket:
        """An unconnected TCP socket in the network namespace of process `sandbox`."""
        _, (fd,) = await self._ask({"kind": "socket", "sandbox": sandbox}, [])
        connection = socket.socket(fileno=fd)
        connection.setblocking(False)
        return connection

    async def sweep(self, mounts: int) -> None:
        """Kill every process in the mount namespace behind `mounts`."""
        await self._ask({"kind": "sweep"}, [os.dup(mounts)])

    async def _ask(self, message: Message, fds: list[int]) -> tuple[Message, list[int]]:
        if self._gone:
            _close(fds)
            raise ContainerGone("The process that starts all others has ended.")
        number = next(self._ids)
        answer = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        self._outbox.append((message | {"id": number}, fds))
        self._flush()
        result: tuple[Message, list[int]] = await answer
        return result

    def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        while self._outbox:
            message, fds = self._outbox[0]
            try:
                messages.send(self._connection, message, fds)
            except BlockingIOError:
                loop.add_writer(self._connection, self._flush)
                return
            except ConnectionError:
                self._lose()
                return
            self._outbox.popleft()
            _close(fds)
        loop.remove_writer(self._connection)

    def _read(self) -> None:
        try:
            while (received := messages.receive(self._connection)) is not None:
                self._take(*received)
        except BlockingIOError:
            return
        except ConnectionError:
            received = None
        self._lose()

    def _take(self, message: Message, fds: list[int]) -> None:
        number = message["id"]
        if "exit" in message:
            child = self._children.pop(number)
            child.exited.set_result(message["exit"])
            return
        if "pid" in message:
            exited = asyncio.get_running_loop().create_future()
            message["child"] = self._children[number] = Child(message["pid"], -1, exited)
        answer = self._answers.pop(number)
        if answer.cancelled():  # nobody waits for the process any more
            if "pid" in message:
                signal.pidfd_send_signal(fds[0], signal.SIGKILL)
            _close(fds)
        elif "error" in message:
            answer.set_exception(ContainerGone(message["error"]))
        else:
            answer.set_result((message, fds))

    def _lose(self) -> None:
        """The spawner is gone, and with it every process."""
        self._gone = True
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._connection)
        loop.remove_writer(self._connection)
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(ContainerGone("The process that starts all others has ended."))
        for child in self._children.values():
            child.exited.set_result(128 + signal.SIGKILL)
        for _, fds in self._outbox:
            _close(fds)
        self._answers.clear()
        self._children.clear()
        self._outbox.clear()

    async def _await_start(self, status: socket.socket, child: Child) -> None:
        """Read what the process says until it is executed, which closes its end."""
        status.setblocking(False)
        while (received := await _receive(status)) is not None:
            message, fds = received
            child.files.extend(fds)
            if "refused" in message or "failed" in message:
                await child.wait()
                release(child)
                text = message.get("refused") or message["failed"]
                raise Refusal(text, by_runc="refused" in message)


def release(child: Child) -> None:
    """Close what is held of a child."""
    _close([fd for fd in (child.pidfd, *child.files) if fd >= 0])
    child.pidfd = -1
    child.files.clear()


async def _receive(status: socket.socket) -> tuple[Message, list[int]] | None:
    loop = asyncio.get_running_loop()
    while True:
        try:
            return messages.receive(status)
        except BlockingIOError:
            readable = loop.create_future()
            loop.add_reader(status, readable.set_result, None)
            try:
                await readable
            finally:
                loop.remove_reader(status)


def _close(fds: Sequence[int]) -> None:
    for fd in fds:
        os.close(fd)


def container_error(refusal: Refusal) -> StartError:
    """What a container runtime says when a container's command cannot be executed."""
    return StartError(
        "failed to create containerd task: failed to create shim task: OCI runtime create failed: "
        f"runc create failed: {_runc(refusal)}: unknown"
    )


def exec_error(refusal: Refusal, exec_id: str) -> StartError:
    """What a container runtime says when a command cannot be executed in a running container."""
    return StartError(
        f'failed to exec in container: failed to start exec "{exec_id}": '
        f"OCI runtime exec failed: exec failed: {_runc(refusal)}: unknown"
    )


def _runc(refusal: Refusal) -> str:
    text = str(refusal)
    if text == child_setup.NO_ARGUMENTS:
        return text  # found before the process is there
    return f"unable to start container process: {text}" if refusal.by_runc else text
