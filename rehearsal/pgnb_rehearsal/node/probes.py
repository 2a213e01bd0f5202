"""Readiness, liveness and startup probes: exec, tcpSocket, httpGet, grpc refused.

Kubernetes, "Configure Liveness, Readiness and Startup Probes". While a container is not Ready its readiness
probe is run at other times than its period too, which makes the pod Ready sooner; so it does here, shortly
after the start.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.node.api_errors import spelled
from pgnb_rehearsal.pods.container import Container
from pgnb_rehearsal.pods.errors import ContainerGone, StartError

_LARGEST_OUTPUT = 10 * 1024
_EARLY = (0.05, 0.1, 0.2, 0.4)
"""Seconds between the first tries of a readiness probe."""


@dataclass(frozen=True)
class Outcome:
    """What one try found; `error` when the probe itself could not be carried out."""

    ok: bool
    output: str = ""
    error: bool = False


@dataclass(frozen=True)
class Target:
    """A running container, as its probes see it: its spec, its process and the pod's address."""

    spec: Object
    container: Container
    address: str

    async def try_once(self, probe: Object) -> Outcome:
        """Carry out a probe within its timeoutSeconds."""
        try:
            return await self._carry_out(probe, float(probe.get("timeoutSeconds", 1)))
        except LookupError as error:
            return Outcome(False, str(error), error=True)

    async def _carry_out(self, probe: Object, timeout: float) -> Outcome:
        if "exec" in probe:
            return await self._exec(probe["exec"]["command"], timeout)
        if "tcpSocket" in probe:
            return await self._tcp(probe["tcpSocket"], timeout)
        if "httpGet" in probe:
            return await self._http(probe["httpGet"], timeout)
        return Outcome(False, "grpc probes are not offered by the rehearsal cluster", error=True)

    async def _exec(self, command: list[str], timeout: float) -> Outcome:
        try:
            process = await self.container.exec(command)
        except (ContainerGone, StartError) as error:
            return Outcome(False, f"rpc error: code = Unknown desc = {error}", error=True)
        try:
            async with asyncio.timeout(timeout):
                output, errors, code = await asyncio.gather(
                    _read(process.stdout), _read(process.stderr), process.wait()
                )
        except TimeoutError:
            text = f'command timed out: "{" ".join(command)}" timed out after {timeout:g}s'
            return Outcome(False, text)
        finally:
            process.kill()
            process.close()
        return Outcome(code == 0, (output + errors).decode(errors="replace"))

    async def _tcp(self, action: Object, timeout: float) -> Outcome:
        host, port = action.get("host") or self.address, port_number(self.spec, action["port"])
        try:
            async with asyncio.timeout(timeout):
                _, writer = await asyncio.open_connection(host, port)
        except TimeoutError:
            return Outcome(False, f"dial tcp {host}:{port}: i/o timeout")
        except OSError as error:
            return Outcome(False, f"dial tcp {host}:{port}: connect: {spelled(error)}")
        writer.close()
        return Outcome(True)

    async def _http(self, action: Object, timeout: float) -> Outcome:
        host, port = action.get("host") or self.address, port_number(self.spec, action["port"])
        url = f"{action.get('scheme', 'HTTP').lower()}://{host}:{port}{action.get('path') or '/'}"
        headers = {header["name"]: header["value"] for header in action.get("httpHeaders") or ()}
        return await _get(url, headers, timeout)


async def _read(stream: asyncio.StreamReader | None) -> bytes:
    """All that comes, of which the beginning is kept."""
    kept = b""
    while stream is not None and (chunk := await stream.read(_LARGEST_OUTPUT)):
        kept = (kept + chunk)[:_LARGEST_OUTPUT]
    return kept


async def _get(url: str, headers: dict[str, str], timeout: float) -> Outcome:
    import aiohttp

    limit = aiohttp.ClientTimeout(total=timeout)
    try:
        async with (
            aiohttp.ClientSession(timeout=limit) as session,
            session.get(url, headers={"User-Agent": "kube-probe"} | headers, ssl=False) as response,
        ):
            if response.status < 200 or response.status >= 400:
                return Outcome(False, f"HTTP probe failed with statuscode: {response.status}")
            return Outcome(True)
    except (OSError, aiohttp.ClientError, TimeoutError) as error:
        return Outcome(False, f'Get "{url}": {error}')


def port_number(container: Object, port: int | str) -> int:
    """A port by number or by its name in the container's spec; LookupError when there is no such name."""
    if isinstance(port, int) or port.isdigit():
        return int(port)
    for entry in container.get("ports") or ():
        if entry.get("name") == port:
            return int(entry["containerPort"])
    raise LookupError(f"no port named {port} in container {container['name']}")


@dataclass
class Verdicts:
    """Whom the probes tell: `started()`, `ready(bool)`, `unhealthy(event text)`, `failed(which probe)`."""

    started: Callable[[], None]
    ready: Callable[[bool], None]
    unhealthy: Callable[[str], None]
    failed: Callable[[str], None]


async def watch_over(target: Target, verdicts: Verdicts) -> None:
    """Probe a container from its start until cancelled; without probes it is started and ready at once."""
    spec = target.spec
    if (startup := spec.get("startupProbe")) is not None:
        await _until_started(target, startup, verdicts)
    verdicts.started()
    if "readinessProbe" not in spec:
        verdicts.ready(True)
    async with asyncio.TaskGroup() as group:
        if "readinessProbe" in spec:
            group.create_task(_readiness(target, spec["readinessProbe"], verdicts))
        if "livenessProbe" in spec:
            group.create_task(_liveness(target, spec["livenessProbe"], verdicts))


async def _until_started(target: Target, probe: Object, verdicts: Verdicts) -> None:
    await _repeat(target, probe, "Startup", verdicts, until_success=True)


async def _liveness(target: Target, probe: Object, verdicts: Verdicts) -> None:
    await _repeat(target, probe, "Liveness", verdicts, until_success=False)


async def _repeat(
    target: Target, probe: Object, kind: str, verdicts: Verdicts, *, until_success: bool
) -> None:
    """Try in the probe's period until it has failed too often, or, if desired, until it succeeds."""
    await asyncio.sleep(probe.get("initialDelaySeconds", 0))
    failures = 0
    while failures < probe.get("failureThreshold", 3):
        outcome = await _tried(target, probe, kind, verdicts)
        if outcome.ok and until_success:
            return
        failures = failures if outcome.error else 0 if outcome.ok else failures + 1
        if failures < probe.get("failureThreshold", 3):
            await asyncio.sleep(probe.get("periodSeconds", 10))
    verdicts.failed(kind.lower())
    await asyncio.Event().wait()  # the container is being stopped, and this task with it


async def _readiness(target: Target, probe: Object, verdicts: Verdicts) -> None:
    await asyncio.sleep(probe.get("initialDelaySeconds", 0))
    early = iter(_EARLY)
    ready, failures, successes = False, 0, 0
    while True:
        outcome = await _tried(target, probe, "Readiness", verdicts)
        if not outcome.error:
            failures = 0 if outcome.ok else failures + 1
            successes = successes + 1 if outcome.ok else 0
        if successes >= probe.get("successThreshold", 1) and not ready:
            ready = True
            verdicts.ready(True)
        elif failures >= probe.get("failureThreshold", 3) and ready:
            ready = False
            verdicts.ready(False)
        period = float(probe.get("periodSeconds", 10))
        await asyncio.sleep(period if ready else min(next(early, period), period))


async def _tried(target: Target, probe: Object, kind: str, verdicts: Verdicts) -> Outcome:
    outcome = Outcome(False, "", error=True)
    with contextlib.suppress(ContainerGone):  # ended while it was asked: its own end is told elsewhere
        outcome = await target.try_once(probe)
    if outcome.error:
        verdicts.unhealthy(f"{kind} probe errored and resulted in unknown state: {outcome.output}")
    elif not outcome.ok:
        verdicts.unhealthy(f"{kind} probe failed: {outcome.output}")
    return outcome
