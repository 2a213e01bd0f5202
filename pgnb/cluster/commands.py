"""Run commands in a container: argv and bytes in, bytes and an exit status out. No shell is involved."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from time import monotonic

import aiohttp

from pgnb.cluster.channels import END_OF_STDIN, PIECE, STDIN, V4, V5, Output, bounded, message
from pgnb.cluster.loop import LOOP
from pgnb.cluster.objects import get
from pgnb.cluster.pods import Pod
from pgnb.cluster.selection import describe_pods
from pgnb.cluster.sockets import ProtocolRefused, Socket, Sockets
from pgnb.core.errors import ClusterError, DeadlineExceeded, ExecFailed, PodError


@dataclass(frozen=True)
class ExecResult:
    """The output and the end of a command; `seconds` includes the connection."""

    argv: tuple[str, ...]
    stdout: bytes = field(repr=False)
    stderr: bytes = field(repr=False)
    exit_status: int
    seconds: float

    @property
    def text(self) -> str:
        """stdout as text, without the newline at its end."""
        return self.stdout.decode("utf-8", "replace").removesuffix("\n")


def exec_in(
    sockets: Sockets,
    pod: Pod,
    argv: Sequence[str],
    *,
    stdin: bytes = b"",
    timeout: float = 60.0,
    check: bool = True,
    changes: str = "",
) -> ExecResult:
    """Run `argv` in the pod's container. See `Cluster.exec`."""
    journal = sockets.api.journal
    if not changes:
        return _run(sockets, pod, tuple(argv), stdin, timeout, check)
    sockets.api.assert_applies(f"not run in pod {pod.name}: {changes}")
    with journal.act(f"pod/{pod.name}", changes) as act:
        result = _run(sockets, pod, tuple(argv), stdin, timeout, check)
        act.result = f"exit status {result.exit_status}"
    return result


def _run(
    sockets: Sockets, pod: Pod, argv: tuple[str, ...], stdin: bytes, timeout: float, check: bool
) -> ExecResult:
    started = monotonic()
    sockets.acquire()
    output = Output()
    try:
        _run_on_loop(sockets, pod, asyncio.wait_for(_exchange(sockets, pod, argv, stdin, output), timeout))
    except TimeoutError as error:
        raise DeadlineExceeded(
            f"{argv[0]} in pod {pod.name} did not end within {timeout:g} s",
            found=_tail(output.stderr) or _tail(output.stdout) or "no output",
            remedy="It may still be running there; give it a longer timeout, or check what it waits for.",
        ) from error
    result = _result(pod, argv, output, monotonic() - started)
    if check and result.exit_status:
        raise _failed(pod, result)
    return result


def _run_on_loop(sockets: Sockets, pod: Pod, work: Coroutine[None, None, None]) -> None:
    try:
        LOOP.run(work)
    except ClusterError as error:
        if type(error) is not ClusterError:
            raise
        # For a container that does not run, the node answers 500 without a text.
        state = describe_pods(sockets.api, [get(sockets.api, "pods", pod.name) or dict(pod.object)])
        raise PodError(f"no command can run in pod {pod.name}", found=f"{state} ({error.found})") from error


async def _exchange(sockets: Sockets, pod: Pod, argv: tuple[str, ...], stdin: bytes, output: Output) -> None:
    if not stdin:
        await _speak(sockets, pod, argv, b"", (V5, V4), output)
        return
    # The command starts with the handshake, so how its stdin will end must be decided before.
    if sockets.half_close is not False:
        try:
            await _speak(sockets, pod, argv, stdin, (V5,), output)
            sockets.half_close = True
            return
        except ProtocolRefused:
            sockets.half_close = False
    await _speak(sockets, pod, bounded(argv, len(stdin)), stdin, (V4,), output)


async def _speak(
    sockets: Sockets, pod: Pod, argv: tuple[str, ...], stdin: bytes, protocols: Sequence[str], output: Output
) -> None:
    wants = [("container", pod.container), ("stdout", "true"), ("stderr", "true")]
    query = [*wants, *([("stdin", "true")] if stdin else []), *(("command", word) for word in argv)]
    async with sockets.open(pod.name, "exec", query, protocols) as socket:
        feeding = asyncio.ensure_future(_feed(socket, stdin))
        try:
            async for received in socket:
                if received.type is aiohttp.WSMsgType.BINARY:
                    output.take(received.data)
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)


async def _feed(socket: Socket, stdin: bytes) -> None:
    """Send stdin while the output is being read, so that neither side blocks the other."""
    for start in range(0, len(stdin), PIECE):
        await socket.send_bytes(message(STDIN, stdin[start : start + PIECE]))
    if stdin and socket.protocol == V5:
        await socket.send_bytes(END_OF_STDIN)


def _result(pod: Pod, argv: tuple[str, ...], output: Output, seconds: float) -> ExecResult:
    if output.exit_status is None:
        raise ExecFailed(
            f"{argv[0]} in pod {pod.name}, container {pod.container}, could not be run or was interrupted",
            found=output.complaint or "the stream ended without an exit status",
            remedy="Check whether the program is in the image, and whether the pod was stopped meanwhile.",
        )
    return ExecResult(argv, bytes(output.stdout), bytes(output.stderr), output.exit_status, seconds)


def _failed(pod: Pod, result: ExecResult) -> ExecFailed:
    killed = result.exit_status == 137
    return ExecFailed(
        f"{result.argv[0]} in pod {pod.name} ended with exit status {result.exit_status}"
        + (" (terminated: SIGKILL)" if killed else ""),
        found=_tail(result.stderr) or _tail(result.stdout) or "no output",
        remedy="The container was stopped, or ran out of memory: see the pod." if killed else "",
    )


def _tail(data: bytes | bytearray) -> str:
    return bytes(data[-800:]).decode("utf-8", "replace").strip()
