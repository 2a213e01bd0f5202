"""A machine without a kubelet: a bare wrapper, its runtime, and short ways to use them."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pgnb_rehearsal.pods import identity
from pgnb_rehearsal.pods.container import Container, ContainerSpec, Mount
from pgnb_rehearsal.pods.process import ExecProcess
from pgnb_rehearsal.pods.runtime import Runtime
from pgnb_rehearsal.pods.sandbox import Sandbox

T = TypeVar("T")


@dataclass(frozen=True)
class Outcome:
    """What a command in a container came to."""

    code: int
    out: bytes
    err: bytes


@dataclass
class Machine:
    """One wrapper and its runtime; `first` is the wrapper's PID 1, as this process sees it."""

    directory: Path
    first: int
    runtime: Runtime
    runner: asyncio.Runner
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coroutine)

    def sandbox(self, hostname: str = "pod", hosts: str = "127.0.0.1 localhost\n") -> Sandbox:
        file = self.directory / f"hosts-{next(self.numbers)}"
        file.write_text(hosts)
        return self.run(self.runtime.create_sandbox(f"uid-{file.name}", hostname, file))

    def volume(self) -> Path:
        path = self.directory / f"volume-{next(self.numbers)}"
        path.mkdir()
        os.chown(path, identity.container_id(), identity.container_id())
        return path

    def spec(
        self,
        *argv: str,
        env: Mapping[str, str] | None = None,
        mounts: Sequence[Mount] = (),
        uid: int = 999,
        working_dir: str = "",
        image: str = "postgres:17",
        tty: bool = False,
    ) -> ContainerSpec:
        log = self.directory / f"container-{next(self.numbers)}.log"
        found = self.runtime.image(image)
        return ContainerSpec("main", found, argv, env or {}, working_dir, tuple(mounts), uid, uid, log, tty)

    def start(self, sandbox: Sandbox, spec: ContainerSpec, *, share_pid: bool = False) -> Container:
        return self.run(self.runtime.start_container(sandbox, spec, share_pid=share_pid))

    def exec(
        self, container: Container, *argv: str, stdin: bytes | None = None, tty: bool = False
    ) -> Outcome:
        return self.run(_exec(container, argv, stdin, tty))

    def psql(self, container: Container, sql: str) -> str:
        outcome = self.exec(container, "psql", "-U", "postgres", "-tAXc", sql)
        assert outcome.code == 0, outcome.err.decode()
        return outcome.out.decode().strip()

    def await_ready(self, container: Container, seconds: float = 30) -> float:
        """Seconds until the server takes connections over TCP, which initdb's temporary one does not."""
        return self.run(_await_ready(container, seconds))

    def log(self, container: Container) -> str:
        """What the container wrote, without the times."""
        lines = container.spec.log.read_text().splitlines()
        return "\n".join(line.split(" ", 3)[3] for line in lines)


async def _exec(container: Container, argv: Sequence[str], stdin: bytes | None, tty: bool) -> Outcome:
    process = await container.exec(argv, stdin=stdin is not None, tty=tty)
    reading = asyncio.gather(process.stdout.read(), _read(process))
    if process.stdin:
        process.stdin.write(stdin or b"")
        await process.stdin.drain()
        process.stdin.close()
    out, err = await reading
    code = await process.wait()
    process.close()
    return Outcome(code, out, err)


async def _read(process: ExecProcess) -> bytes:
    return await process.stderr.read() if process.stderr else b""


async def _await_ready(container: Container, seconds: float) -> float:
    began = time.monotonic()
    while time.monotonic() < began + seconds and container.running:
        outcome = await _exec(container, ["pg_isready", "-h", "127.0.0.1"], None, False)
        if outcome.code == 0:
            return time.monotonic() - began
        await asyncio.sleep(0.01)
    raise AssertionError(f"not ready after {time.monotonic() - began} s:\n{container.spec.log.read_text()}")
