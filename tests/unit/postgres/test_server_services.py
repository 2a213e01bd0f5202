"""The port of a Service behind which a server listens."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pgnb.postgres.services import leads_to, port_of

SERVER: Any = SimpleNamespace(
    facts=SimpleNamespace(port=5432),
    pod=SimpleNamespace(
        labels={"app": "db", "tier": "data"},
        container_spec={"ports": [{"name": "sql", "containerPort": 5432}]},
    ),
)


def service(*ports: dict[str, Any], selector: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    return {"spec": {"selector": {"app": "db"} if selector is None else selector, "ports": [*ports], **spec}}


@pytest.mark.parametrize(
    ("found", "port"),
    [
        (service({"port": 5432}), 5432),
        (service({"port": 6432, "targetPort": 5432}), 6432),
        (service({"port": 9187}, {"port": 7000, "targetPort": "sql"}), 7000),
        (service({"port": 9187}), None),
        (service(clusterIP="None"), 5432),
        (service({"port": 6432, "targetPort": 5432}, clusterIP="None"), 5432),
    ],
)
def test_the_port_is_the_one_that_ends_at_the_server(found: dict[str, Any], port: int | None) -> None:
    assert port_of(found, SERVER) == port
    assert leads_to(found, SERVER) is (port is not None)


@pytest.mark.parametrize("selector", [{}, {"app": "other"}, {"app": "db", "tier": "cache"}])
def test_a_service_that_selects_others_does_not_lead_there(selector: dict[str, str]) -> None:
    assert not leads_to(service({"port": 5432}, selector=selector), SERVER)
