"""The Service that clients use, led to another server: its selector is patched, the rest stays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from pgnb.checks import Check, Checks
from pgnb.cluster import Cluster, Object
from pgnb.cluster.workloads import managers
from pgnb.errors import AccessDenied, ParameterError
from pgnb.operate.failover.fence import wait_gone
from pgnb.operate.failover.inprogress import clear_mark
from pgnb.operate.failover.succession import Succession, reaching_port
from pgnb.plan import Change, Step
from pgnb.server import Server
from pgnb.wait import wait_until

_POD_NAME = "statefulset.kubernetes.io/pod-name"
_TIMEOUT = 30.0
_SERVICE = "kubernetes.io/service-name"


class Redirection(Protocol):
    """What a switch of the Service needs to know: a succession has it, and a logical cut-over."""

    @property
    def cluster(self) -> Cluster:
        """Where the Service is."""
        ...

    @property
    def candidate(self) -> Server:
        """The server that it is to lead to."""
        ...

    @property
    def service(self) -> str:
        """The Service's name."""
        ...


def plan_service(pair: Succession) -> Change:
    """Lead the Service to the candidate; nothing to do where it leads there alone already.

    Clients' open sessions stay where they are: those on the old primary ended with it. Raises
    ParameterError for a Service without a selector, or whose port the candidate does not have.
    """
    title, candidate = f"Service {pair.service}", pair.candidate
    if not candidate.present or pair.path == "rejoin":
        note = f"The path is {pair.path}." if candidate.present else "The standby is not there yet."
        return Change(title, pair.cluster.journal, note=note)
    service, wished = read_service(pair), own_labels(candidate)
    now = service["spec"]["selector"]
    if now == wished:
        note = f"It leads to {candidate.name} already."
        return Change(title, pair.cluster.journal, steps=_over(pair) if pair.done else (), note=note)
    what = f"selector: {selector_words(wished)}"
    step = Step(f"service/{pair.service}", what, lambda: _switch(pair, service), True)
    return Change(
        title, pair.cluster.journal, f"selector: {selector_words(now)}\n",
        f"selector: {selector_words(wished)}\n", [step, *_over(pair)],
        note=_tools(service), undo_text="put the former selector back", precheck=lambda: _serves(pair),
    )  # fmt: skip


def _serves(pair: Succession) -> Checks:
    """Clients are led to a primary only."""
    role = pair.candidate.refresh().role
    check = Check(
        "the candidate is a primary", role == "primary", role, "primary",
        "Promote it first: clients of this Service write.",
    )  # fmt: skip
    return Checks.of(f"Before the Service {pair.service} is switched", [check], pair.cluster.journal)


def _over(pair: Succession) -> list[Step]:
    """The mark of a change of roles that is in progress goes with the Service's switch."""
    if pair.change is None:
        return []
    over = Step(pair.old.name, "the change of roles is over", lambda: clear_mark(pair), True)
    away = Step(pair.old.name, "see its pod gone and stay away", lambda: wait_gone(pair))
    return [over, *([away] if pair.path == "failover" else [])]


def _switch(pair: Succession, seen: Object) -> str:
    with pair.phase("switch the Service"):
        return switch(pair, seen)


def switch(pair: Redirection, seen: Object | None = None, labels: Mapping[str, str] | None = None) -> str:
    """Patch the selector and see the endpoints follow; what they are then, in words.

    `seen` is the Service as the plan saw it, and `labels` are the candidate's own; without them, as they are
    now. Raises Conflict when somebody else changed the Service since.
    """
    service, wished = seen or read_service(pair), labels or own_labels(pair.candidate)
    former = dict.fromkeys(service["spec"]["selector"])
    body = {"spec": {"selector": {**former, **wished}}}
    pair.cluster.patch_as_seen(service, body, f"selector: {selector_words(wished)}")
    return _wait_endpoints(pair)


def read_service(pair: Redirection) -> Object:
    """The Service, as one that can be switched. Raises ParameterError."""
    found = pair.cluster.get("services", pair.service)
    if found is None:
        raise ParameterError(f"there is no Service {pair.service}", remedy="Name it by primary_service.")
    if not found["spec"].get("selector"):
        raise ParameterError(
            f"the Service {pair.service} has no selector", found=found["spec"].get("type", ""),
            remedy="Its endpoints are kept by something else (an operator, by hand): switch it there.",
        )  # fmt: skip
    _assert_port(found, pair.candidate)
    return found


def _assert_port(service: Object, candidate: Server) -> None:
    if reaching_port(service, candidate) is None:
        targets = [port.get("targetPort", port["port"]) for port in service["spec"].get("ports") or []]
        raise ParameterError(
            f"the Service {service['metadata']['name']} would not reach {candidate.name}",
            found=f"target ports {', '.join(map(str, targets))}; the server's is {candidate.facts.port}",
            remedy="Name the candidate's container port as the Service's targetPort does.",
        )


def own_labels(server: Server) -> dict[str, str]:
    """The labels that find this server's pod and its successors, and no other pod.

    Raises ParameterError when another pod has them, too.
    """
    pod, cluster = server.pod, server.cluster
    if _POD_NAME in pod.labels:
        return {_POD_NAME: pod.labels[_POD_NAME]}
    found = cluster.workload(pod).object["spec"].get("selector") or {}
    labels = {str(key): str(value) for key, value in (found.get("matchLabels") or {}).items()}
    others = [
        other.name for other in cluster.pods(selector_words(labels)) if other.ready and other.uid != pod.uid
    ]
    if not labels or others:
        raise ParameterError(
            f"no label leads to {pod.name} alone",
            found=f"{selector_words(labels) or 'none'}: {', '.join(others)}",
            remedy="Give each server's workload a label of its own in its selector.",
        )  # fmt: skip
    return labels


def selector_words(labels: Mapping[str, str]) -> str:
    """A selector as kubectl writes it."""
    return ",".join(f"{key}={value}" for key, value in labels.items())


def _tools(service: Object) -> str:
    tools = ", ".join(managers(service["metadata"]))
    return f"{tools} manages the Service and may take this back: change it there, too." if tools else ""


def _wait_endpoints(pair: Redirection) -> str:
    ip = pair.candidate.pod.ip
    try:
        found = wait_until(
            f"the endpoints of {pair.service}", lambda: _addresses(pair), lambda seen: seen == {ip},
            timeout=_TIMEOUT, every=0.05, describe=lambda seen: ", ".join(sorted(seen)) or "none",
            remedy="Look at the Service's selector and the pod's readiness.",
        )  # fmt: skip
    except AccessDenied:
        return "patched; the right to list endpointslices is missing, so its endpoints were not seen"
    return f"leads to {pair.candidate.name} ({', '.join(found)})"


def _addresses(pair: Redirection) -> set[str]:
    slices: list[dict[str, Any]] = list(pair.cluster.list("endpointslices", f"{_SERVICE}={pair.service}"))
    return {
        address
        for one in slices
        for endpoint in one.get("endpoints") or []
        if (endpoint.get("conditions") or {}).get("ready") is not False
        for address in endpoint["addresses"]
    }
