"""Services of a server: how clients and standbys reach it, and switching one to another server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from pgnb.cluster import Cluster, Object
from pgnb.core.errors import AccessDenied, ParameterError
from pgnb.core.wait import wait_until
from pgnb.postgres.server import Server

Service = Mapping[str, Any]
_POD_NAME = "statefulset.kubernetes.io/pod-name"
_TIMEOUT = 30.0
_SERVICE = "kubernetes.io/service-name"


def services_of(server: Server) -> list[Service]:
    """Return the Services that select the server's pod, those with an address of their own first."""
    leading = [found for found in server.cluster.list("services") if leads_to(found, server)]
    return sorted(leading, key=_headless)


def leads_to(service: Service, server: Server) -> bool:
    """Return whether a Service selects the server's pod and has a port that ends at the server's."""
    selector = service["spec"].get("selector") or {}
    labels = server.pod.labels
    selects = bool(selector) and all(labels.get(key) == value for key, value in selector.items())
    return selects and port_of(service, server) is not None


def port_of(service: Service, server: Server) -> int | None:
    """Return the port of a Service that ends at the server's port; None if there is none.

    The name of a headless Service is the pod's own address, where only the server's own port answers.
    """
    if _headless(service):
        return server.facts.port
    ports = service["spec"].get("ports") or []
    return next((int(port["port"]) for port in ports if _reaches(port, server)), None)


def _headless(service: Service) -> bool:
    return bool(service["spec"].get("clusterIP") == "None")


def _reaches(port: Mapping[str, Any], server: Server) -> bool:
    target = port.get("targetPort", port["port"])
    named = {p.get("name"): p["containerPort"] for p in server.pod.container_spec.get("ports") or []}
    return bool(named.get(target, target) == server.facts.port)


class Redirection(Protocol):
    """What a switch of the Service needs: for a change of roles, or a logical cut-over."""

    @property
    def cluster(self) -> Cluster:
        """The cluster of the Service."""
        ...

    @property
    def candidate(self) -> Server:
        """The server that the Service is to select."""
        ...

    @property
    def service(self) -> str:
        """The Service's name."""
        ...


def switch(pair: Redirection, seen: Object | None = None, labels: Mapping[str, str] | None = None) -> str:
    """Patch the selector and wait for the endpoints; return what they are then.

    `seen` is the Service as the plan read it, and `labels` are the candidate's own; without them, as they are
    now. Raises Conflict if somebody else changed the Service meanwhile.
    """
    service, desired = seen or read_service(pair), labels or own_labels(pair.candidate)
    former = dict.fromkeys(service["spec"]["selector"])
    body = {"spec": {"selector": {**former, **desired}}}
    pair.cluster.patch_as_seen(service, body, f"selector: {selector_words(desired)}")
    return _wait_endpoints(pair)


def read_service(pair: Redirection) -> Object:
    """Return the Service if its selector can be switched. Raises ParameterError."""
    found = pair.cluster.get("services", pair.service)
    if found is None:
        raise ParameterError(f"there is no Service {pair.service}", remedy="Set it by primary_service.")
    if not found["spec"].get("selector"):
        raise ParameterError(
            f"the Service {pair.service} has no selector",
            found=found["spec"].get("type", ""),
            remedy="Its endpoints are managed by something else (an operator, or by hand): switch it there.",
        )
    _assert_port(found, pair.candidate)
    return found


def _assert_port(service: Object, candidate: Server) -> None:
    if not candidate.present or port_of(service, candidate) is None:
        targets = [port.get("targetPort", port["port"]) for port in service["spec"].get("ports") or []]
        raise ParameterError(
            f"the Service {service['metadata']['name']} would not reach {candidate.name}",
            found=f"target ports {', '.join(map(str, targets))}; the server's is {candidate.facts.port}",
            remedy="Give the candidate's container port the same name as the Service's targetPort.",
        )


def own_labels(server: Server) -> dict[str, str]:
    """Return labels that select this server's pod and its replacements, and no other pod.

    Raises ParameterError if another pod has them, too.
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
            f"no label selects {pod.name} alone",
            found=f"{selector_words(labels) or 'none'}: {', '.join(others)}",
            remedy="Give each server's workload a label of its own in its selector.",
        )
    return labels


def selector_words(labels: Mapping[str, str]) -> str:
    """Return a selector in kubectl's form."""
    return ",".join(f"{key}={value}" for key, value in labels.items())


def _wait_endpoints(pair: Redirection) -> str:
    ip = pair.candidate.pod.ip
    try:
        found = wait_until(
            f"the endpoints of {pair.service}",
            lambda: _addresses(pair),
            lambda seen: seen == {ip},
            timeout=_TIMEOUT,
            every=0.05,
            describe=lambda seen: ", ".join(sorted(seen)) or "none",
            remedy="Check the Service's selector and the pod's readiness.",
        )
    except AccessDenied:
        return "patched; without the right to list endpointslices, its endpoints were not checked"
    return f"selects {pair.candidate.name} ({', '.join(found)})"


def _addresses(pair: Redirection) -> set[str]:
    slices: list[dict[str, Any]] = list(pair.cluster.list("endpointslices", f"{_SERVICE}={pair.service}"))
    return {
        address
        for one in slices
        for endpoint in one.get("endpoints") or []
        if (endpoint.get("conditions") or {}).get("ready") is not False
        for address in endpoint["addresses"]
    }
