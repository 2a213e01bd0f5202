"""Scaling and restarts of real servers: never two postmasters, and no row lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from pgnb.cluster import Cluster, Pod
from pgnb.cluster.objects import STRATEGIC, patch
from pgnb.core.errors import DeadlineExceeded, GateClosed, ParameterError, PodError
from pgnb.core.wait import wait_until

pytestmark = pytest.mark.long

DATA = "/var/lib/postgresql/data/pgdata"


@contextmanager
def watched(cluster: Cluster, selector: str) -> Iterator[list[int]]:
    """How many pods had a container that runs, read again and again meanwhile."""
    counts: list[int] = []
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(0.02):
            counts.append(sum(bool(pod.started_at) for pod in cluster.pods(selector)))

    thread = threading.Thread(target=look)
    thread.start()
    yield counts
    stop.set()
    thread.join()


def strategy(kind: str) -> Callable[[dict[str, Any]], None]:
    def change(found: dict[str, Any]) -> None:
        if "strategy" in found.get("spec", {}):
            found["spec"]["strategy"] = {"type": kind}

    return change


@pytest.mark.parametrize("kind", ["Recreate", "RollingUpdate"])
def test_a_restart_replaces_the_pod_and_never_runs_two(
    cluster: Cluster, start_postgres: Callable[..., Any], kind: str
) -> None:
    server = start_postgres(cluster.namespace, kind.lower(), patch=strategy(kind))
    pod = cluster.pod(server.selector)
    cluster.exec(pod, ["psql", "-U", "postgres", "-c", "CREATE TABLE kept AS SELECT 1 AS x"])
    plan = cluster.plan_restart(
        cluster.workload(pod), volume=cluster.volume(pod, DATA), reason="a test", before=lambda: "done"
    )
    with watched(cluster, server.selector) as counts:
        plan.apply()
    now = cluster.pod(server.selector)
    assert now.uid != pod.uid
    assert max(counts) == 1
    assert cluster.exec(now, ["psql", "-U", "postgres", "-Atc", "SELECT x FROM kept"]).text == "1"


def test_to_zero_and_back(cluster: Cluster, server: Any, pod: Pod) -> None:
    workload = cluster.workload(pod)
    assert cluster.scale_and_wait(workload, 0) == "no pod is left"
    assert cluster.pods(server.selector) == ()
    cluster.scale_and_wait(cluster.find_workload(workload.kind, workload.name), 1)
    assert cluster.pod(server.selector).ready


def test_data_that_would_be_lost(cluster: Cluster, start_postgres: Callable[..., Any]) -> None:
    def in_memory(found: dict[str, Any]) -> None:
        template = found.get("spec", {}).get("template")
        if template:
            template["spec"]["volumes"] = [{"name": "data", "emptyDir": {}}]

    server = start_postgres(cluster.namespace, "fleeting", patch=in_memory)
    pod = cluster.pod(server.selector)
    plan = cluster.plan_restart(cluster.workload(pod), volume=cluster.volume(pod, DATA), reason="a test")
    with pytest.raises(GateClosed) as caught:
        plan.apply()
    assert "lose every row" in caught.value.remedy
    assert cluster.pod(server.selector).uid == pod.uid


def test_a_new_pod_that_cannot_start_is_told(cluster: Cluster, start_postgres: Callable[..., Any]) -> None:
    server = start_postgres(cluster.namespace, "broken")
    workload = cluster.workload(cluster.pod(server.selector))
    cluster.scale_and_wait(workload, 0)
    image = {"spec": {"template": {"spec": {"containers": [{"name": "postgres", "image": "no/such:1"}]}}}}
    patch(cluster.api, "deployments", "broken", image, "break the image", content_type=STRATEGIC)
    with pytest.raises(PodError, match=r"its new pod cannot start .ErrImagePull.") as caught:
        cluster.scale_and_wait(workload, 1)
    assert "no/such:1" in caught.value.found


def test_a_pod_that_is_never_ready_has_a_deadline(
    cluster: Cluster, start_postgres: Callable[..., Any]
) -> None:
    server = start_postgres(cluster.namespace, "unready")
    workload = cluster.workload(cluster.pod(server.selector))
    probe = {"exec": {"command": ["false"]}, "periodSeconds": 1}
    containers = [{"name": "postgres", "readinessProbe": probe}]
    body = {"spec": {"replicas": 0, "template": {"spec": {"containers": containers}}}}
    patch(cluster.api, "deployments", "unready", body, "an unready pod", content_type=STRATEGIC)
    wait_until("no pod", lambda: cluster.pods(server.selector), lambda pods: not pods, timeout=60)
    with pytest.raises(DeadlineExceeded) as caught:
        cluster.scale_and_wait(workload, 1, timeout=3)
    assert "not ready" in caught.value.found


def test_a_bare_pod_is_left_alone(cluster: Cluster) -> None:
    main = {"name": "main", "image": "postgres:17", "command": ["sleep", "60"]}
    spec = {"containers": [main], "terminationGracePeriodSeconds": 1}
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bare", "labels": {"app": "bare"}}}
    cluster.create(manifest | {"spec": spec})
    (pod,) = wait_until("the pod", lambda: cluster.pods("app=bare"), lambda pods: pods[0].ready, timeout=60)
    with pytest.raises(ParameterError, match="cannot be scaled"):
        cluster.scale_and_wait(cluster.workload(pod), 0)
    cluster.delete("pods", "bare", uid=pod.uid)


def test_a_stateful_set(cluster: Cluster) -> None:
    labels = {"app": "set"}
    container = {
        "name": "postgres",
        "image": "postgres:17",
        "ports": [{"containerPort": 5432}],
        "env": [{"name": "POSTGRES_HOST_AUTH_METHOD", "value": "trust"}],
        "readinessProbe": {"exec": {"command": ["pg_isready", "-h", "127.0.0.1"]}, "periodSeconds": 1},
        "volumeMounts": [{"name": "data", "mountPath": "/var/lib/postgresql/data", "subPath": "db"}],
    }
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": 1, "serviceName": "set", "selector": {"matchLabels": labels}, "template": template}
    spec["volumeClaimTemplates"] = [claim]
    cluster.apply({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "set"}, "spec": spec})
    pods = wait_until(
        "set-0", lambda: cluster.pods("app=set"), lambda found: bool(found) and found[0].ready, timeout=60
    )
    workload, volume = cluster.workload(pods[0]), cluster.volume(pods[0], "/var/lib/postgresql/data")
    assert (workload.label, volume.claim, volume.persistent) == ("statefulset/set", "data-set-0", True)
    cluster.plan_restart(workload, volume=volume, reason="a test").apply()
    now = cluster.pod("app=set")
    assert now.name == "set-0"
    assert now.uid != pods[0].uid
