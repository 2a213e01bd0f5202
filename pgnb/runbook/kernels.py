"""Kernels that are started before they are needed, each for one run.

A kernel takes about a second to start and to load what a notebook uses. Meanwhile this process loads its own
packages, or the notebook before is running. A kernel listens on Unix sockets in a directory that only its
owner can open, and ends by itself when this process is gone (ipykernel looks for its parent each second).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import Empty
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from pgnb.core.journal import PATH_VARIABLE

START_TIMEOUT = 300
"""Seconds that a kernel may take to start, on a machine that has much else to do."""
END_TIMEOUT = 20
"""Seconds that a kernel may take to give back what it holds and end; after half of them it gets SIGTERM."""
_ARGUMENTS = ["--IPKernelApp.log_level=CRITICAL", "--HistoryManager.enabled=False"]
_USED = re.compile(r"\bpgnb\.([A-Za-z]\w*)")
_END_AT_ONCE = "__import__('atexit').register(__import__('os')._exit, 0)"
"""pgnb registers what it has to give back later, so that it is done before. The rest takes up to a second."""
_LOAD = "[getattr(__import__('pgnb'), name, None) for name in {names!r}]"
_HAND_OVER = "__import__('os').environ.update({variables!r})"


class _Client(AsyncKernelClient):
    """A client that is ready as soon as it hears the kernel; jupyter_client's waits for silence, too."""

    async def wait_for_ready(self, timeout: float | None = None) -> None:
        deadline = monotonic() + (timeout or START_TIMEOUT)
        while not await self._heard(self.kernel_info()):
            if not await self.is_alive():
                raise RuntimeError("Kernel died before replying to kernel_info")
            if monotonic() > deadline:
                raise RuntimeError(f"Kernel didn't respond in {timeout} seconds")

    async def _heard(self, request: str) -> bool:
        """Whether the reply came, and on the other channel the word that the kernel is idle after it."""
        try:
            reply = await self.shell_channel.get_msg(timeout=1)
            while True:
                message = await self.iopub_channel.get_msg(timeout=0.2)
                idle = message["content"].get("execution_state") == "idle"
                if idle and message["parent_header"].get("msg_id") == request:
                    self._handle_kernel_info_reply(reply)
                    return True
        except Empty:
            return False


class _Manager(KernelManager):
    """Gives out one client, and knows it."""

    given: _Client | None = None

    def client(self, **kwargs: Any) -> Any:
        self.given = _Client(parent=self, **self.get_connection_info(session=True), **kwargs)
        return self.given


class Kernel:
    """One kernel process; `notebook` is what it will run, so that it loads what that uses."""

    def __init__(self, notebook: Path) -> None:
        self._folder = TemporaryDirectory(prefix="pgnb-kernel-", ignore_cleanup_errors=True)
        path = str(Path(self._folder.name, "kernel.json"))
        self.manager = _Manager(kernel_name="python3", transport="ipc", connection_file=path)
        self.manager.start_kernel(extra_arguments=_ARGUMENTS)
        self._client = BlockingKernelClient(parent=self.manager)
        self._client.load_connection_info(self.manager.get_connection_info())
        self._client.start_channels(iopub=False, stdin=False, hb=False)
        names = tuple(sorted(set(_USED.findall(notebook.read_text("utf-8")))))
        load = f"{_END_AT_ONCE}\n{_LOAD.format(names=names)}"
        self._client.execute(load, silent=True, stop_on_error=False)

    @property
    def alive(self) -> bool:
        """Whether the process lives."""
        return bool(self.manager.is_alive())

    def hand_over(self, journal: Path, variables: Mapping[str, str] | None = None) -> None:
        """Wait until the kernel answers, and tell it the journal of the run that it is for.

        `variables` are further ones of its environment.

        Raises RuntimeError when it died or does not answer in time.
        """
        code = _HAND_OVER.format(variables={PATH_VARIABLE: str(journal.resolve()), **(variables or {})})
        request = self._client.execute(code, silent=True)
        deadline = monotonic() + START_TIMEOUT
        while not self._has_done(request):
            if not self.alive:
                raise RuntimeError("the kernel died while it started")
            if monotonic() > deadline:
                raise RuntimeError(f"the kernel did not answer within {START_TIMEOUT} s")

    def _has_done(self, request: str) -> bool:
        try:
            reply = self._client.get_shell_msg(timeout=0.5)
        except Empty:
            return False
        return bool(reply["parent_header"].get("msg_id") == request and reply["content"]["status"] == "ok")

    def end(self, *, now: bool = False) -> None:
        """End the process, whatever it is doing: interrupted first, and killed when that does not help."""
        for client in (self._client, self.manager.given):
            if client is not None:
                client.stop_channels()
        if not now:
            self.manager.interrupt_kernel()
            self.manager.request_shutdown()
            self.manager.finish_shutdown(waittime=END_TIMEOUT, pollinterval=0.02)
        self.manager.shutdown_kernel(now=True)
        self._folder.cleanup()


class Kernels:
    """The kernels of a chain of runs: while one runs, the next starts."""

    def __init__(self) -> None:
        self._starter = ThreadPoolExecutor(1, "kernels")
        self._next: Future[Kernel] | None = None

    def prepare(self, notebook: Path) -> None:
        """Start a kernel for the next run, beside what this process is doing."""
        self._next = self._starter.submit(Kernel, notebook)

    @contextmanager
    def one(self, notebook: Path, journal: Path) -> Iterator[Kernel]:
        """A kernel for one run of this notebook, alone; it has ended when the block ends.

        A kernel that waited and does not answer any more is replaced, as the run has not begun yet.
        """
        kernel = self._answering(journal) or Kernel(notebook)
        try:
            yield kernel
        finally:
            kernel.end()

    def _answering(self, journal: Path) -> Kernel | None:
        """The kernel that waits, once it has taken the journal's path."""
        if kernel := self._prepared():
            try:
                kernel.hand_over(journal)
            except RuntimeError:
                kernel.end(now=True)
                return None
        return kernel

    def _prepared(self) -> Kernel | None:
        """The kernel that waits, if there is one and it lives."""
        prepared, self._next = self._next, None
        if prepared is None or prepared.exception() is not None:
            return None
        kernel = prepared.result()
        if kernel.alive:
            return kernel
        kernel.end(now=True)
        return None

    def close(self) -> None:
        """End the kernel that waits for a run which will not come."""
        if kernel := self._prepared():
            kernel.end(now=True)
        self._starter.shutdown()

    def __enter__(self) -> Kernels:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()
