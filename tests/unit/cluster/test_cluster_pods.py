"""A pod's JSON as pgnb sees it."""

from __future__ import annotations

from typing import Any

import pytest
from replaying import failing, recorded_pod

from pgnb.cluster.pods import Pod, choose_container
from pgnb.core.errors import PodError


def with_containers(*containers: dict[str, Any], **annotations: str) -> dict[str, Any]:
    pod = recorded_pod()
    pod["spec"]["containers"] = list(containers)
    pod["metadata"]["annotations"] = annotations
    return pod


def test_the_recorded_primary() -> None:
    pod = Pod.of(recorded_pod())
    assert (pod.name, pod.container, pod.ready, pod.not_ready_reason) == (
        "postgres-primary-dcd654f4f-9j5cc",
        "postgres",
        True,
        "",
    )
    assert pod.owner == ("ReplicaSet", "postgres-primary-dcd654f4f")
    assert pod.ip == "10.244.0.5" or pod.ip.startswith("10.244.")
    assert "docker.io/library/postgres:15" in str(pod)


def test_where_a_path_lies() -> None:
    pod = Pod.of(recorded_pod())
    mount = pod.mount_of("/var/lib/postgresql/data/pgdata")
    assert mount is not None
    assert (mount.path, mount.claim, mount.persistent) == ("/var/lib/postgresql/data", "data", True)
    assert pod.mount_of("/var/lib/postgresql/dataset") is None
    assert pod.mount_of("/etc") is None


def test_two_containers_and_none_of_them_known() -> None:
    with pytest.raises(PodError) as caught:
        Pod.of(failing("two")[0])
    assert "a (docker.io/library/postgres:15); b (docker.io/library/postgres:15)" in caught.value.found


def test_a_container_that_is_not_there() -> None:
    with pytest.raises(PodError, match="no container 'nope'") as caught:
        Pod.of(recorded_pod(), "nope")
    assert "postgres" in caught.value.found


PORT = {"ports": [{"containerPort": 5432}]}


@pytest.mark.parametrize(
    ("containers", "chosen"),
    [
        ([{"name": "db", "image": "x"} | PORT, {"name": "app", "image": "y"}], "db"),
        (
            [{"name": "metrics", "image": "pg-exporter:1"}, {"name": "main", "image": "postgres:16"}],
            "main",
        ),
        ([{"name": "postgres", "image": "own/img"}, {"name": "log", "image": "fluent-bit"}], "postgres"),
        (
            [{"name": "bouncer", "image": "b"} | PORT, {"name": "sql", "image": "postgresql:14"} | PORT],
            "sql",
        ),
    ],
)
def test_the_container_that_runs_postgres(containers: list[dict[str, Any]], chosen: str) -> None:
    assert choose_container(with_containers(*containers))["name"] == chosen


def test_the_annotation_that_kubectl_goes_by() -> None:
    pod = with_containers(
        {"name": "a", "image": "x"},
        {"name": "b", "image": "y"},
        **{"kubectl.kubernetes.io/default-container": "b"},
    )
    assert choose_container(pod)["name"] == "b"


def test_where_variables_come_from_without_their_values() -> None:
    pod = recorded_pod()
    pod["spec"]["containers"][0]["env"] = [
        {"name": "POSTGRES_PASSWORD", "value": "do-not-show"},
        {"name": "PGPASSWORD", "valueFrom": {"secretKeyRef": {"name": "creds", "key": "password"}}},
        {"name": "MODE", "valueFrom": {"configMapKeyRef": {"name": "conf", "key": "mode"}}},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
    ]
    found = Pod.of(pod)
    assert [(env.source, env.key) for env in found.env] == [
        ("value", ""),
        ("secret/creds", "password"),
        ("configmap/conf", "mode"),
        ("field", ""),
    ]
    assert "do-not-show" not in f"{found!r} {found} {found._repr_html_()}"
