"""A container: one command in namespaces and a root file system of its own."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pgnb_rehearsal.pods import process
from pgnb_rehearsal.pods.control import Child, Control, Refusal, exec_error, release
from pgnb_rehearsal.pods.crilog import ContainerLog
from pgnb_rehearsal.pods.errors import ContainerGone
from pgnb_rehearsal.pods.images import Image
from pgnb_rehearsal.pods.process import ExecProcess

# For what was written last to arrive in the log. Beyond it, only a process that escaped holds the stream.
_DRAIN_SECONDS = 2.0


@dataclass(frozen=True)
class Mount:
    """A file or directory of the machine (`source`) that a container sees at `target`."""

    source: Path
    target: str
    read_only: bool


@dataclass(frozen=True)
class ContainerSpec:
    """What kubelet asks for.

    `argv` is the whole command line (empty: the image's entry point and command). `env` holds what the pod
    says; the image's environment, HOSTNAME and HOME are added below it. `log` is appended to. `groups` are
    supplementary ones, where containers have many users. `read_only`: nothing but mounts can be written.
    """

    name: str
    image: Image
    argv: tuple[str, ...]
    env: Mapping[str, str]
    working_dir: str
    mounts: tuple[Mount, ...]
    uid: int
    gid: int
    log: Path
    tty: bool = False
    groups: tuple[int, ...] = ()
    read_only: bool = False


@dataclass
class Container:
    """A started container; `pid` is that of its command, as the wrapper numbers it."""

    spec: ContainerSpec
    env: Mapping[str, str]
    control: Control
    child: Child
    log: ContainerLog
    mounts: int | None  # its mount namespace, kept where its PID namespace is shared
    owner: int  # the ID in the wrapper that its user is mapped to, its root where there are many users
    many: bool = False
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    end: asyncio.Task[int] = field(init=False)

    def __post_init__(self) -> None:
        self.end = asyncio.get_running_loop().create_task(self._run())

    @property
    def pid(self) -> int:
        """The command's process, as the wrapper numbers it."""
        return self.child.pid

    @property
    def running(self) -> bool:
        """Whether the command has not ended yet."""
        return not self.child.exited.done()

    async def wait(self) -> int:
        """The exit code, 128 + n when signal n killed it; the log is complete by then."""
        return await asyncio.shield(self.end)

    def signal(self, name: str) -> None:
        """Send a signal by name (SIGINT) to the command; nothing happens when it has ended.

        The command is PID 1 of its namespace: what it does not handle is ignored, but for SIGKILL.
        """
        self.child.signal(signal.Signals[name])

    async def exec(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        tty: bool = False,
        stdin: bool = False,
    ) -> ExecProcess:
        """Run a further command in the container, as its user, with its environment and `env`.

        StartError when it cannot be executed; ContainerGone when the container has ended.
        """
        if not self.running:
            raise ContainerGone(f"The container {self.spec.name} has ended.")
        details = {
            "argv": list(argv),
            "env": {**self.env, **(env or {}), **({"TERM": "xterm"} if tty else {})},
            "working_dir": self.spec.working_dir or self.spec.image.working_dir,
            "container": self.pid,
            "uid": self.spec.uid,
            "gid": self.spec.gid,
            "owner": self.owner,
            "many": self.many,
            "groups": list(self.spec.groups),
            "tty": tty,
        }
        try:
            return await (self._terminal(details, stdin) if tty else self._pipes(details, stdin))
        except Refusal as refusal:
            raise exec_error(refusal, secrets.token_hex(32)) from refusal

    async def _pipes(self, details: dict[str, object], wants_stdin: bool) -> ExecProcess:
        theirs_in, ours_in = os.pipe() if wants_stdin else (os.open(os.devnull, os.O_RDONLY), None)
        ours_out, theirs_out = os.pipe()
        ours_err, theirs_err = os.pipe()
        ours = [fd for fd in (ours_in, ours_out, ours_err) if fd is not None]
        try:
            streams = [theirs_in, theirs_out, theirs_err]
            child = await self.control.spawn("exec", details, streams, pids=self.pid)
        except BaseException:
            for fd in ours:
                os.close(fd)
            raise
        stdout, out = await process.reader(ours_out)
        stderr, err = await process.reader(ours_err)
        if ours_in is None:
            return ExecProcess(child, None, stdout, stderr, (out, err))
        stdin, into = await process.writer(ours_in)
        return ExecProcess(child, stdin, stdout, stderr, (out, err, into))

    async def _terminal(self, details: dict[str, object], wants_stdin: bool) -> ExecProcess:
        child = await self.control.spawn("exec", details, pids=self.pid)
        terminal = child.files[0]
        stdout, out = await process.reader(os.dup(terminal))
        if not wants_stdin:
            return ExecProcess(child, None, stdout, None, (out,), terminal)
        stdin, into = await process.writer(os.dup(terminal))
        return ExecProcess(child, stdin, stdout, None, (out, into), terminal)

    async def _run(self) -> int:
        """See the container to its end."""
        code = await self.child.wait()
        if self.mounts is not None:
            # It shared the pod's PID namespace, so nothing but this ends what it left behind.
            await self.control.sweep(self.mounts)
        await self.log.drain(_DRAIN_SECONDS)
        release(self.child)
        return code
