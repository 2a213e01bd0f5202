"""A namespace with a quota on cpu and memory: pods that pgnb creates have requests and limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from replication_stage import Stage, carry_out, open_stage, spec_of

from pgnb.cluster import connect
from pgnb.core.errors import DeadlineExceeded, GateClosed, PodError
from pgnb.core.plan import gate
from pgnb.core.wait import wait_until
from pgnb.logical.preflight import pair_checks
from pgnb.logical.subscriber import plan_subscriber
from pgnb.physical import check_source, standby_pod_checks
from pgnb.postgres import Server, find_server
from pgnb_rehearsal.client import Client

HARD = {"requests.cpu": "4", "requests.memory": "4Gi", "limits.cpu": "8", "limits.memory": "8Gi"}
RESOURCES = {"requests": {"cpu": "200m", "memory": "256Mi"}, "limits": {"cpu": "1", "memory": "512Mi"}}
SMALL = {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"cpu": "500m", "memory": "128Mi"}}
PRIMARY = "postgres-primary"


def metered(manifest: dict[str, Any]) -> None:
    if manifest.get("spec", {}).get("template") is not None:
        (container,) = manifest["spec"]["template"]["spec"]["containers"]
        container["resources"] = RESOURCES


def limit(api: Client, namespace: str, hard: dict[str, str], name: str = "small") -> None:
    body = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": name}, "spec": {"hard": hard}}
    api.create(f"/api/v1/namespaces/{namespace}/resourcequotas", body)


@contextmanager
def opened(kubeconfig: Path, namespace: str, **options: Any) -> Iterator[Stage]:
    """The stage with options of the connection, such as helper_pods."""
    cluster = connect(str(kubeconfig), "", namespace, dry_run=False, **options)
    server = find_server(cluster, f"app={PRIMARY}", password=f"secret:{PRIMARY}/password")
    yield Stage(cluster, server, kubeconfig, namespace)
    server.close()
    cluster.close()


@pytest.fixture
def stage(
    namespace: str, api: Client, kubeconfig: Path, start_postgres: Callable[..., Any]
) -> Iterator[Stage]:
    """A primary with requests and limits, under a quota and without a LimitRange."""
    limit(api, namespace, HARD)
    start_postgres(namespace, PRIMARY, patch=metered)
    made = open_stage(kubeconfig, namespace)
    yield made
    made.primary.close()
    made.cluster.close()


@pytest.fixture
def bare(namespace: str, api: Client, start_postgres: Callable[..., Any]) -> None:
    """A primary without any, created before the quota."""
    start_postgres(namespace, PRIMARY)
    limit(api, namespace, HARD)


def gate_of_12(stage: Stage, subscriber: Server) -> list[str]:
    """The names of the checks that pass before 12 changes a setting."""
    return [item.name for item in gate(pair_checks(stage.primary, subscriber, ["shop"], secret="new")).items]


def use(stage: Stage) -> tuple[str, str]:
    used = (stage.cluster.get("resourcequotas", "small") or {})["status"]["used"]
    return used["limits.cpu"], used["limits.memory"]


def asked(stage: Stage, name: str) -> Any:
    """The checks of 03 before its first change."""
    return standby_pod_checks(stage.primary, spec_of(name, f"{name}_slot"), stage.source())


def test_a_standby_is_made_where_a_quota_wants_limits(stage: Stage) -> None:
    gate(asked(stage, "metered"))
    source = stage.workload("metered", "metered_slot")
    gate(check_source(stage.primary, source, "metered", slot="metered_slot", application_name="metered"))
    carry_out(stage.backup("metered", "metered_slot"))
    wait_until(
        "two servers' use, and no helper's", lambda: use(stage), lambda u: u == ("2", "1Gi"), timeout=60
    )


@pytest.mark.long
def test_a_subscriber_is_made_where_a_quota_wants_limits(stage: Stage) -> None:
    carry_out(plan_subscriber(stage.primary, "subscriber"))
    subscriber = find_server(stage.cluster, "app=subscriber", password="secret:subscriber/password")
    stage.primary.execute("CREATE DATABASE shop")
    assert "helper pods" in gate_of_12(stage, subscriber)
    subscriber.close()


def test_a_server_without_limits_is_told_before_anything_is_made(
    bare: None, namespace: str, kubeconfig: Path
) -> None:
    """The refusal is the API server's, and names the parameter that helps."""
    with opened(kubeconfig, namespace) as stage:
        stage.source()
        begun = len(stage.cluster.journal.changes)
        with pytest.raises(
            GateClosed, match=r"failed quota: small: must specify limits\.cpu for: "
        ) as refused:
            gate(asked(stage, "unmetered"))
        assert "helper_pods" in str(refused.value)
        with pytest.raises(GateClosed, match=r"must specify limits\.cpu for: "):
            plan_subscriber(stage.primary, "subscriber").apply()
        assert len(stage.cluster.journal.changes) == begun


@pytest.mark.long
def test_with_the_resources_by_parameter_a_standby_is_made(
    bare: None, namespace: str, kubeconfig: Path
) -> None:
    given = {"helper_pods": {"resources": SMALL}, "server_pods": {"resources": SMALL}}
    with opened(kubeconfig, namespace, **given) as stage:
        gate(asked(stage, "small"))
        source = stage.workload("small", "small_slot")
        gate(check_source(stage.primary, source, "small", slot="small_slot", application_name="small"))
        carry_out(stage.backup("small", "small_slot"))


def test_a_dump_that_a_quota_refuses_is_told_before_a_set_up_with_a_subscriber_that_is_there(
    namespace: str, api: Client, kubeconfig: Path, start_postgres: Callable[..., Any]
) -> None:
    for name in (PRIMARY, "there"):
        start_postgres(namespace, name)
    limit(api, namespace, HARD)
    with opened(kubeconfig, namespace) as stage:
        subscriber = find_server(stage.cluster, "app=there", password="secret:there/password")
        stage.primary.execute("CREATE DATABASE shop")
        with pytest.raises(GateClosed, match=r"must specify limits\.cpu for: helper"):
            gate_of_12(stage, subscriber)
        subscriber.close()
    with opened(kubeconfig, namespace, helper_pods={"resources": SMALL}) as stage:
        subscriber = find_server(stage.cluster, "app=there", password="secret:there/password")
        assert "helper pods" in gate_of_12(stage, subscriber)
        subscriber.close()


def test_a_full_quota_does_not_stop_a_pod_that_comes_after_another(
    stage: Stage, api: Client, start_postgres: Callable[..., Any]
) -> None:
    """The pod of an adopted standby is stopped before its new pod starts, so that its quota is free."""
    start_postgres(stage.namespace, "adopted", patch=metered)
    limit(api, stage.namespace, {"limits.memory": "1200Mi"}, "full")
    with opened(stage.kubeconfig, stage.namespace, helper_pods={"resources": SMALL}) as small:
        checks = gate(asked(small, "adopted"))
    own, helper = checks.items
    assert (own.ok, own.advice, helper.ok) == (False, True, True)
    assert "exceeded quota: full, requested: limits.memory=512Mi, used: limits.memory=1Gi" in str(own.found)


def test_a_pod_for_which_there_is_no_room_any_more_is_told_with_its_remedy(stage: Stage, api: Client) -> None:
    """The quota is filled between the plan and the ReplicaSet's pod."""
    stage.workload("late", "late_slot")
    limit(api, stage.namespace, {"pods": "1"}, "filled")
    workload = stage.cluster.find_workload("Deployment", "late")
    with pytest.raises(DeadlineExceeded) as refused:
        stage.cluster.scale_and_wait(workload, 1, timeout=2)
    assert "exceeded quota: filled, requested: pods=1, used: pods=1, limited: pods=1" in refused.value.found
    assert "Raise the ResourceQuota" in refused.value.remedy


def test_a_pod_that_a_quota_refuses_for_good_is_told_at_once(
    bare: None, namespace: str, kubeconfig: Path, start_postgres: Callable[..., Any]
) -> None:
    with opened(kubeconfig, namespace) as stage:
        workload = stage.cluster.find_workload("Deployment", PRIMARY)
        stage.cluster.scale_and_wait(workload, 0)
        with pytest.raises(PodError, match="no pod can be created") as refused:
            stage.cluster.scale_and_wait(stage.cluster.find_workload("Deployment", PRIMARY), 1)
        assert "must specify limits.cpu for: postgres" in refused.value.found
        assert "set resources in the pod template" in refused.value.remedy
