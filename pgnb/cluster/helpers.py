"""Start helper pods, follow them, and always remove them."""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from time import monotonic
from typing import Any

from pgnb.cluster.client import Api, Object
from pgnb.cluster.commands import ExecResult, exec_in
from pgnb.cluster.helper_spec import CONTAINER, LABELS, HelperPod
from pgnb.cluster.logs import LogLine, read_log
from pgnb.cluster.objects import create, delete, get, list_all
from pgnb.cluster.owner import ANNOTATION, WORK, has_died, this_process
from pgnb.cluster.pod_state import not_ready_reason, permanent_failure, remedy_for
from pgnb.cluster.pods import Pod
from pgnb.cluster.selection import events_if_allowed
from pgnb.cluster.sockets import Sockets
from pgnb.core.errors import AccessDenied, Conflict, ExecFailed, NotFound, PodError
from pgnb.core.wait import wait_until

_IDLE = ("sleep", "86400")
_GONE = 60.0
_TAIL = 20
"""Lines of the log that are read from a helper that has already worked for a while."""
_SELECTOR = ",".join(f"{label}={value}" for label, value in LABELS.items())


@dataclass(frozen=True)
class HelperResult:
    """The end of a helper's command; `seconds` counts from its creation to its end."""

    exit_status: int
    log: tuple[LogLine, ...]
    seconds: float

    @property
    def text(self) -> str:
        """Its output."""
        return "\n".join(line.text for line in self.log)


@dataclass(frozen=True)
class Helper:
    """A helper pod that waits for commands."""

    pod: Pod
    _sockets: Sockets

    def exec(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout: float = 60.0,
        check: bool = True,
        changes: str = "",
    ) -> ExecResult:
        """Run a command in it. See `Cluster.exec`."""
        return exec_in(
            self._sockets, self.pod, argv, stdin=stdin, timeout=timeout, check=check, changes=changes
        )


def run_helper(
    api: Api,
    spec: HelperPod,
    *,
    timeout: float = 600.0,
    check: bool = True,
    on_log: Callable[[str], None] | None = None,
) -> HelperResult:
    """Run a helper pod to its end and remove it. See `Cluster.run_helper`."""
    started = monotonic()
    with _created(api, spec, timeout) as name:
        wait_started(api, name, spec.start_timeout)
        lines: list[LogLine] = []
        ended = _to_its_end(api, name, lines, on_log, timeout)
    return _result(name, ended, lines, monotonic() - started, check=check)


def left_helpers(api: Api, work: str) -> tuple[Pod, ...]:
    """Return helpers of killed runs that still work at `work`. See `Cluster.left_helpers`."""
    left = [pod for pod in list_all(api, "pods", _SELECTOR) if _goes_on(pod) and _is_left(pod)]
    return tuple(Pod.of(pod, CONTAINER) for pod in left if _marks(pod)[WORK] == work)


def take_over(
    api: Api, pod: Pod, *, timeout: float = 600.0, on_log: Callable[[str], None] | None = None
) -> HelperResult:
    """Follow a helper that another run left to its end and remove it. See `Cluster.take_over`."""
    api.assert_applies(f"pod {pod.name} was not taken over")
    started = monotonic()
    try:
        lines = list(read_log(api, pod, tail=_TAIL, timestamps=True))
        ended = _to_its_end(api, pod.name, lines, on_log, timeout)
    finally:
        _remove(api, pod.name, uid=pod.uid)
    return _result(pod.name, ended, lines, monotonic() - started)


def _to_its_end(
    api: Api, name: str, lines: list[LogLine], on_log: Callable[[str], None] | None, timeout: float
) -> Object:
    """Read its log until it has ended; return the pod's last state."""
    ended = wait_until(
        f"the command of pod {name}",
        lambda: _follow(api, name, lines, on_log),
        lambda pod: bool(_terminated(pod)),
        timeout=timeout,
        every=0.25,
        describe=lambda pod: lines[-1].text if lines else not_ready_reason(pod) or "runs",
    )
    _follow(api, name, lines, on_log)
    return ended


def _result(
    name: str, pod: Object, lines: Sequence[LogLine], seconds: float, *, check: bool = True
) -> HelperResult:
    state = _terminated(pod)
    result = HelperResult(int(state.get("exitCode", -1)), tuple(lines), seconds)
    if check and result.exit_status:
        raise _failed(name, pod, state, result)
    return result


@contextmanager
def open_helper(sockets: Sockets, spec: HelperPod, *, lifetime: float = 3600.0) -> Iterator[Helper]:
    """Start a helper pod for several commands and remove it at the end. See `Cluster.helper`."""
    with _created(sockets.api, replace(spec, argv=_IDLE), lifetime) as name:
        yield Helper(Pod.of(wait_started(sockets.api, name, spec.start_timeout), CONTAINER), sockets)


@contextmanager
def _created(api: Api, spec: HelperPod, seconds: float) -> Iterator[str]:
    api.assert_applies(f"{spec.argv[0]} in a helper pod was not run")
    _sweep(api, spec.name_prefix)
    spec = spec.with_options(api.helper_options)
    placed = spec if spec.node else replace(spec, node=_node_of_claims(api, spec))
    name = f"{spec.name_prefix}-{_suffix()}"
    try:
        with api.journal.temporary(f"pod/{name}"):
            create(api, placed.manifest(name, seconds=int(seconds + spec.start_timeout)))
        yield name
    finally:
        # The name is known before the request is sent, so an interrupt at any point leaves no pod behind.
        _remove(api, name)


def _suffix() -> str:
    return "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(5))


def remove_left(api: Api) -> None:
    """Remove the helpers that killed runs of this machine left; they would run until their deadline.

    Those whose work another run takes over are kept. Without the right to list or delete pods nothing is
    done: they end by themselves.
    """
    with suppress(AccessDenied, Conflict):
        for pod in list_all(api, "pods", _SELECTOR):
            if has_died(_marks(pod).get(ANNOTATION, "")) and not _goes_on(pod):
                _remove(api, pod["metadata"]["name"], uid=pod["metadata"]["uid"])


def _marks(pod: Object) -> dict[str, str]:
    return pod["metadata"].get("annotations") or {}


def _goes_on(pod: Object) -> bool:
    """Return whether the helper has started work that outlives its run.

    One that has not started may never start, nor end.
    """
    runs = (pod.get("status") or {}).get("phase") == "Running"
    return WORK in _marks(pod) and runs and not pod["metadata"].get("deletionTimestamp")


def _is_left(pod: Object) -> bool:
    """Return whether nobody follows the helper: its run was killed, or this run could not remove it."""
    process = _marks(pod).get(ANNOTATION, "")
    return has_died(process) or process == this_process() != ""


def _sweep(api: Api, prefix: str) -> None:
    """Remove ended helpers of the same work that a killed run could not remove."""
    for pod in list_all(api, "pods", _SELECTOR):
        ended = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
        if ended and pod["metadata"]["name"].rpartition("-")[0] == prefix:
            delete(api, "pods", pod["metadata"]["name"], uid=pod["metadata"]["uid"])


def _node_of_claims(api: Api, spec: HelperPod) -> str:
    """Return the node where a claim of the helper is already mounted.

    A ReadWriteOnce volume can be mounted on one node only.
    """
    wanted = {spec.pinned_by} if spec.pinned_by else set(spec.claims.values())
    for pod in list_all(api, "pods") if wanted else []:
        volumes = pod["spec"].get("volumes") or []
        claims = {(volume.get("persistentVolumeClaim") or {}).get("claimName") for volume in volumes}
        if claims & wanted and (pod.get("status") or {}).get("phase") == "Running":
            return str(pod["spec"].get("nodeName", ""))
    return ""


def wait_started(api: Api, name: str, timeout: float) -> Object:
    """Wait until a helper's container runs or has ended. Raises PodError if it never will."""

    def probe() -> Object:
        pod = _read(api, name)
        events = () if _has_started(pod) else events_if_allowed(api, pod)
        if reason := permanent_failure(pod, events):
            found = not_ready_reason(pod, events)
            raise PodError(
                f"the helper pod {name} cannot start: {reason}", found=found, remedy=remedy_for(found)
            )
        return pod

    return wait_until(
        f"the helper pod {name} to start",
        probe,
        _has_started,
        timeout=timeout,
        every=0.2,
        describe=lambda pod: not_ready_reason(pod, events_if_allowed(api, pod)) or "runs",
        remedy=lambda pod: (
            f"{remedy_for(not_ready_reason(pod, events_if_allowed(api, pod)), 'See its events.')}"
            " If the node, the volume or the image is slow to come, give a longer start_timeout."
        ),
    )


def _has_started(pod: Object) -> bool:
    state = _state(pod)
    return "running" in state or "terminated" in state or pod["status"].get("phase") == "Failed"


def _follow(api: Api, name: str, lines: list[LogLine], on_log: Callable[[str], None] | None) -> Object:
    """Read the log's new lines, pass them on, and return the pod's state."""
    pod = _read(api, name)
    last = lines[-1].at if lines else None
    for line in read_log(api, Pod.of(pod, CONTAINER), since_time=last, timestamps=True):
        if _newer(line, last):
            lines.append(line)
            if on_log is not None:
                on_log(line.text)
    return pod


def _newer(line: LogLine, last: datetime | None) -> bool:
    return line.at is not None and (last is None or line.at > last)


def _read(api: Api, name: str) -> Object:
    pod = get(api, "pods", name)
    if pod is None:
        raise NotFound(f"the helper pod {name} was deleted by somebody else")
    return pod


def _state(pod: Object) -> dict[str, Any]:
    statuses = (pod.get("status") or {}).get("containerStatuses") or [{}]
    state: dict[str, Any] = statuses[0].get("state") or {}
    return state


def _terminated(pod: Object) -> dict[str, Any]:
    status = pod.get("status") or {}
    ended: dict[str, Any] = _state(pod).get("terminated") or {}
    if not ended and status.get("phase") == "Failed":
        return {"exitCode": -1, "reason": status.get("reason", ""), "message": status.get("message", "")}
    return ended


def _failed(name: str, pod: Object, state: dict[str, Any], result: HelperResult) -> ExecFailed:
    reason = " ".join(str(state[key]) for key in ("reason", "message") if state.get(key))
    tail = "\n".join(line.text for line in result.log[-15:])
    program = pod["spec"]["containers"][0]["command"][0]
    return ExecFailed(
        f"{program} in the helper pod {name} ended with exit status {result.exit_status} ({reason})",
        found=tail or "no output",
    )


def _remove(api: Api, name: str, *, uid: str = "") -> None:
    """Delete the pod and wait until it has ended: the server's own pod needs its volume."""
    with api.journal.temporary(f"pod/{name}", removes=True):
        if not delete(api, "pods", name, uid=uid, grace=0, guarded=False):
            return
    wait_until(
        f"the helper pod {name} to end",
        lambda: get(api, "pods", name),
        lambda pod: pod is None,
        timeout=_GONE,
        describe=lambda pod: not_ready_reason(pod) if pod else "gone",
    )
