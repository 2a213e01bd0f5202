"""What `kubectl get` shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pgnb_rehearsal.api.cells import human_duration
from pgnb_rehearsal.api.columns import COLUMNS
from pgnb_rehearsal.api.negotiation import accepts_aggregated, negotiated
from pgnb_rehearsal.api.resources import BY_PLURAL, RESOURCES
from pgnb_rehearsal.api.status import StatusError
from pgnb_rehearsal.api.tables import table

RECORDINGS = Path(__file__).parents[2] / "data" / "real-kubernetes"


def recorded(name: str) -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = json.loads((RECORDINGS / f"{name}.json").read_text())
    return loaded


FAILED = {
    entry["object"]["metadata"]["name"]: entry["object"]
    for entry in recorded("failures")
    if "object" in entry
}
ROWS = next(
    entry["response"]["body"]["rows"] for entry in recorded("failures") if entry["what"] == "table of pods"
)
CELLS = {row["cells"][0]: row["cells"] for row in ROWS}
TABLES = [entry for entry in recorded("workload") if entry["what"].startswith("table of ")]


@pytest.mark.parametrize("name", [name for name in FAILED if name in CELLS])
def test_a_pods_row_is_that_of_a_real_server(name: str) -> None:
    cells = table(BY_PLURAL["pods"], [FAILED[name]], {})["rows"][0]["cells"]
    expected = CELLS[name]
    assert (cells[1], cells[5:]) == (expected[1], expected[5:])
    assert cells[3].split(" ")[0] == expected[3].split(" ")[0]


@pytest.mark.parametrize("name", ["done", "failed", "no-configmap", "no-claim", "two", "image-missing"])
def test_a_pods_status_word(name: str) -> None:
    """Of those whose state did not change between the recording of the object and of the table."""
    assert table(BY_PLURAL["pods"], [FAILED[name]], {})["rows"][0]["cells"][2] == CELLS[name][2]


def test_a_quotas_row_has_what_is_used_of_how_much() -> None:
    status = {"hard": {"limits.cpu": "2", "pods": "4", "cpu": "1"}, "used": {"pods": "1", "cpu": "500m"}}
    quota = {"metadata": {"name": "q"}, "status": status}
    cells = table(BY_PLURAL["resourcequotas"], [quota], {})["rows"][0]["cells"]
    assert cells[:3] == ["q", "cpu: 500m/1, pods: 1/4", "limits.cpu: 0/2"]


@pytest.mark.parametrize("entry", TABLES, ids=[entry["what"] for entry in TABLES])
def test_columns_are_those_of_a_real_server(entry: dict[str, Any]) -> None:
    plural = entry["what"].removeprefix("table of ")
    found = table(BY_PLURAL[plural], [], {})["columnDefinitions"]
    wanted = entry["response"]["body"]["columnDefinitions"]
    keys = ("name", "type", "format", "priority")
    assert [[column[key] for key in keys] for column in found] == [[c[key] for key in keys] for c in wanted]


@pytest.mark.parametrize("resource", RESOURCES, ids=[resource.plural for resource in RESOURCES])
def test_every_cell_of_every_kind_bears_an_empty_object(resource: Any) -> None:
    """A table is shown for whatever is stored, however little it says."""
    bare = {"kind": resource.kind, "metadata": {"name": "a", "resourceVersion": "1"}}
    cells = table(resource, [bare], {})["rows"][0]["cells"]
    assert len(cells) == len(COLUMNS[resource.plural])


def test_ports_of_services() -> None:
    ports = [{"port": 5432, "protocol": "TCP"}, {"port": 80, "protocol": "TCP", "nodePort": 30080}]
    shown = {
        "metadata": {"name": "s"},
        "spec": {"type": "NodePort", "clusterIP": "10.96.1.1", "ports": ports},
    }
    assert table(BY_PLURAL["services"], [shown], {})["rows"][0]["cells"][4] == "5432/TCP,80:30080/TCP"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (150, "2m30s"),
        (659, "10m"),
        (3 * 3600, "3h"),
        (3 * 3600 + 60, "3h1m"),
        (9 * 3600, "9h"),
        (50 * 3600, "2d2h"),
        (10 * 86400, "10d"),
        (3 * 365 * 86400, "3y"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text


def test_the_form_is_negotiated() -> None:
    kubectl = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
    assert negotiated(kubectl).kind == "Table"
    assert negotiated("application/vnd.kubernetes.protobuf,application/json").kind == ""
    assert negotiated("").kind == ""
    assert accepts_aggregated("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
    assert not accepts_aggregated("application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList")
    with pytest.raises(StatusError) as refused:
        negotiated("application/vnd.kubernetes.protobuf")
    assert refused.value.code == 406
