"""Services that lead to a server: by which name and port its clients and standbys reach it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pgnb.server.server import Server

Service = Mapping[str, Any]


def services_of(server: Server) -> list[Service]:
    """The Services that lead to the server's pod, those with an address of their own first."""
    leading = [found for found in server.cluster.list("services") if leads_to(found, server)]
    return sorted(leading, key=_headless)


def leads_to(service: Service, server: Server) -> bool:
    """Whether a Service selects the server's pod and has a port that ends at the server's."""
    selector = service["spec"].get("selector") or {}
    labels = server.pod.labels
    selects = bool(selector) and all(labels.get(key) == value for key, value in selector.items())
    return selects and port_of(service, server) is not None


def port_of(service: Service, server: Server) -> int | None:
    """The port of a Service behind which the server listens; None when none of its ports ends there.

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
