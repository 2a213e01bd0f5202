"""Workloads, selection, logs and rights, from recorded answers."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from replaying import NAMESPACE, POD, Replay, entry, failing, recorded, recorded_pod

from pgnb.cluster import Cluster, HelperPod, Pod, Right, SecretFile, Workload
from pgnb.cluster.quantity import quantity
from pgnb.cluster.rollout import rolled_out
from pgnb.cluster.security import container_security
from pgnb.cluster.workloads import managers
from pgnb.core.checks import gate
from pgnb.core.errors import GateClosed, ParameterError, PodError

PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
APPS = f"/apis/apps/v1/namespaces/{NAMESPACE}"


def listing(*pods: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "PodList", "metadata": {}, "items": list(pods)}


def test_the_one_pod(replay: Replay, cluster: Cluster) -> None:
    leaving = recorded_pod()
    leaving["metadata"] |= {"name": "old", "deletionTimestamp": "2026-11-22T20:35:00Z"}
    replay.answer("GET", PODS, 200, listing(recorded_pod(), leaving))
    assert cluster.pod("app=postgres-primary").name == POD
    assert "labelSelector=app%3Dpostgres-primary" in replay.requests[-1][1]


def test_several_pods(replay: Replay, cluster: Cluster) -> None:
    other = recorded_pod()
    other["metadata"]["name"] = "other"
    replay.answer("GET", PODS, 200, listing(recorded_pod(), other))
    with pytest.raises(PodError, match="2 Ready pods match") as caught:
        cluster.pod("app=postgres-primary")
    assert caught.value.found == f"{POD}, other"


def test_none_ready_lists_all_with_their_reasons(replay: Replay, cluster: Cluster) -> None:
    replay.answer("GET", PODS, 200, listing(failing("crash")[0], failing("no-volume")[0]))
    replay.answer("GET", f"/api/v1/namespaces/{NAMESPACE}/events", 200, {"items": failing("no-volume")[1]})
    with pytest.raises(PodError, match="is Ready") as caught:
        cluster.pod("app=x")
    assert "crash: container main ended with exit status 7" in caught.value.found
    assert "no-volume: container main: ContainerCreating; MountVolume.SetUp failed" in caught.value.found


def test_none_at_all_says_what_there_is(replay: Replay, cluster: Cluster) -> None:
    replay.answer("GET", PODS, 200, listing())
    replay.answer("GET", PODS, 200, listing(recorded_pod()))
    with pytest.raises(PodError, match="no pod in the namespace pgnb-record matches 'app=nope'") as caught:
        cluster.pod("app=nope")
    assert "app=postgres-primary" in caught.value.found


def test_a_bad_selector(replay: Replay, cluster: Cluster) -> None:
    replay.answer("GET", PODS, 400, entry("objects", "list, bad selector")["response"]["body"])
    with pytest.raises(ParameterError, match="selector 'app===x' cannot be used"):
        cluster.pod("app===x")


def test_every_page_is_read(replay: Replay, cluster: Cluster) -> None:
    first = listing(recorded_pod()) | {"metadata": {"continue": "next"}}
    replay.answer("GET", PODS, 200, first)
    replay.answer("GET", PODS, 200, listing(recorded_pod()))
    assert len(cluster.list("pods")) == 2
    assert "continue=next" in replay.requests[-1][1]


def deployment(**spec: Any) -> dict[str, Any]:
    found = deepcopy(entry("workload", "deployment, available")["response"]["body"])
    found["spec"] |= spec
    return found


def test_a_pods_deployment(replay: Replay, cluster: Cluster, primary: Pod) -> None:
    owner = {"kind": "Deployment", "name": "postgres-primary", "controller": True}
    replica_set = {"kind": "ReplicaSet", "metadata": {"name": "x", "ownerReferences": [owner]}}
    replay.answer("GET", f"{APPS}/replicasets/{primary.owner[1]}", 200, replica_set)
    replay.answer("GET", f"{APPS}/deployments/postgres-primary", 200, deployment())
    found = cluster.workload(primary)
    assert (found.label, found.replicas, found.strategy, found.selector, found.scalable) == (
        "deployment/postgres-primary",
        1,
        "Recreate",
        "app=postgres-primary",
        True,
    )


def test_a_bare_pod_is_not_scaled(cluster: Cluster) -> None:
    pod = recorded_pod()
    pod["metadata"]["ownerReferences"] = []
    found = cluster.workload(Pod.of(pod))
    assert (found.kind, found.scalable) == ("Pod", False)
    with pytest.raises(ParameterError, match="cannot be scaled"):
        cluster.scale_and_wait(found, 0)


def test_an_operators_pod_is_not_scaled(cluster: Cluster) -> None:
    pod = recorded_pod()
    pod["metadata"]["ownerReferences"] = [{"kind": "Cluster", "name": "pg", "controller": True}]
    found = cluster.workload(Pod.of(pod))
    assert (found.kind, found.managed_by) == ("Cluster", ("Cluster",))
    with pytest.raises(ParameterError, match="belongs to a Cluster"):
        cluster.plan_restart(found, volume=_volume(replaced="data"), reason="a test")


def _volume(replaced: str) -> Any:
    from pgnb.cluster import Volume

    return Volume("/d", "/d", "persistentVolumeClaim" if replaced else "emptyDir", replaced)


def test_who_manages_it() -> None:
    meta = {
        "labels": {"app.kubernetes.io/managed-by": "Helm"},
        "annotations": {"argocd.argoproj.io/tracking-id": "x"},
    }
    assert managers(meta) == ("Argo CD", "Helm")
    assert managers({}) == ()


def test_where_the_data_lies(replay: Replay, cluster: Cluster, primary: Pod) -> None:
    replay.take(entry("workload", "claim, bound"))
    volume = cluster.volume(primary, "/var/lib/postgresql/data/pgdata")
    assert (volume.claim, volume.persistent) == ("data", True)
    assert volume.access_modes == ("ReadWriteOnce",)
    assert cluster.volume(primary, "/etc").persistent is False


def test_data_that_would_be_lost_closes_the_gate(replay: Replay, cluster: Cluster) -> None:
    replay.answer("GET", PODS, 200, listing(recorded_pod()))
    plan = cluster.plan_restart(Workload.of(deployment()), volume=_volume(""), reason="wal_level")
    assert plan.precheck is not None
    with pytest.raises(GateClosed, match="stopped before anything") as caught:
        gate(plan.precheck())
    assert "lose every row" in caught.value.remedy


def test_a_restart_with_recreate_is_a_rollout(replay: Replay, cluster: Cluster) -> None:
    plan = cluster.plan_restart(Workload.of(deployment()), volume=_volume("data"), reason="wal_level")
    assert [step.what.split(":")[0] for step in plan.steps] == ["roll out"]


def test_a_restart_with_rolling_update_goes_through_zero(cluster: Cluster) -> None:
    rolling = deployment(strategy={"type": "RollingUpdate"})
    plan = cluster.plan_restart(
        Workload.of(rolling), volume=_volume("data"), reason="wal_level", before=lambda: "done"
    )
    assert [step.what.split(" ")[0] for step in plan.steps] == ["CHECKPOINT,", "scale", "scale"]


def test_a_rollout_is_over_at_its_end_and_not_before() -> None:
    watch = next(
        e for e in recorded("changes") if e["what"] == "watch of deployments: rollout restart (Recreate)"
    )
    found = [event["event"]["object"] if "event" in event else event["object"] for event in watch["events"]]
    generation = max(int(each["metadata"]["generation"]) for each in found)
    verdicts = [rolled_out(each, generation) for each in found]
    assert verdicts[-1] is True
    assert not any(verdicts[:-2])


def test_a_stateful_set_is_rolled_out_with_its_revision() -> None:
    found = entry("statefulset", "in the end")["response"]["body"]
    assert rolled_out(found, int(found["metadata"]["generation"]))
    assert not rolled_out(found, int(found["metadata"]["generation"]) + 1)
    found["status"]["updateRevision"] = "another"
    assert not rolled_out(found, int(found["metadata"]["generation"]))


def test_log_lines_with_their_times(replay: Replay, cluster: Cluster, primary: Pod) -> None:
    replay.take(entry("logs", "with timestamps"))
    lines = cluster.logs(primary, tail=2, timestamps=True, since=timedelta(minutes=1))
    assert len(lines) == 2
    assert lines[0].at is not None
    assert lines[0].at.microsecond == 128249
    assert lines[0].text.startswith("2026-11-22 20:32:13.128 UTC [46] LOG:")
    query = replay.requests[-1][1]
    assert all(part in query for part in ("tailLines=2", "timestamps=true", "sinceSeconds=60", "limitBytes="))


def test_no_previous_log_is_no_error(replay: Replay, cluster: Cluster, primary: Pod) -> None:
    replay.take(entry("logs", "previous, none"))
    assert cluster.logs(primary, previous=True) == []


def test_missing_rights_are_named(replay: Replay, cluster: Cluster) -> None:
    reviews = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    replay.answer("POST", reviews, 201, entry("access", "may I exec")["response"]["body"])
    checks = cluster.access_checks([Right("create", "pods/exec", why="to write configuration files")])
    assert checks.failed[0].remedy.startswith("To write configuration files.")
    assert "kubectl auth can-i create pods/exec -n pgnb-record" in checks.failed[0].remedy
    (review,) = (body for _, path, _, body in replay.requests if path.endswith(reviews))
    asked = json.loads(review)["spec"]["resourceAttributes"]
    assert asked == {"namespace": NAMESPACE, "verb": "create", "resource": "pods", "subresource": "exec"}


def test_a_right_that_is_there(replay: Replay, cluster: Cluster) -> None:
    reviews = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    replay.answer("POST", reviews, 201, entry("access", "may I list pods")["response"]["body"])
    assert not cluster.access_checks([Right("list", "pods")]).failed


def test_a_helpers_manifest() -> None:
    spec = HelperPod(
        "backup",
        "postgres:17",
        ("pg_basebackup",),
        secret_env={"PGPASSWORD": ("creds", "password")},
        secret_files=(SecretFile("creds", "pgpass", "/private/pgpass"),),
        claims={"/data": "standby"},
        uid=999,
        gid=999,
    )
    pod = spec.manifest("backup-x", seconds=60)
    main, copier = pod["spec"]["containers"][0], pod["spec"]["initContainers"][0]
    assert main["env"] == [
        {"name": "PGPASSWORD", "valueFrom": {"secretKeyRef": {"name": "creds", "key": "password"}}}
    ]
    assert copier["command"][-2:] == ["/pgnb-secret-0/pgpass", "/private/pgpass"]
    assert "umask 077" in copier["command"][2]
    assert main["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert pod["spec"]["restartPolicy"] == "Never"
    assert {v["name"] for v in pod["spec"]["volumes"]} == {"claim-0", "secret-0", "private"}


def test_a_helper_like_a_pod_goes_where_it_goes() -> None:
    pod = recorded_pod()
    pod["spec"] |= {"imagePullSecrets": [{"name": "registry"}], "nodeSelector": {"disk": "ssd"}}
    pod["spec"]["securityContext"] = {"fsGroup": 999}
    helper = HelperPod("x", "", ("true",)).like(Pod.of(pod))
    spec = helper.manifest("x-1", seconds=1)["spec"]
    assert spec["imagePullSecrets"] == [{"name": "registry"}]
    assert spec["nodeSelector"] == {"disk": "ssd"}
    assert spec["securityContext"] == {"fsGroup": 999, "fsGroupChangePolicy": "OnRootMismatch"}
    assert spec["containers"][0]["image"] == Pod.of(pod).image


def test_a_helper_complies_with_restricted_and_has_the_servers_limits() -> None:
    pod = recorded_pod()
    by_default = {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "tolerationSeconds": 300}
    pod["spec"]["tolerations"] = [{"key": "dedicated", "value": "db"}, by_default]
    pod["spec"]["priorityClassName"] = "database"
    pod["spec"]["serviceAccountName"] = "postgres"
    limits = {"cpu": "4", "memory": "16Gi", "hugepages-2Mi": "4Gi"}
    pod["spec"]["containers"][0]["resources"] = {"limits": limits, "requests": {"cpu": "50m"}}
    pod["spec"]["containers"][0]["securityContext"] = {"runAsNonRoot": True}
    file = SecretFile("creds", "pgpass", "/private/pgpass")
    for uid in (999, None):
        helper = HelperPod("x", "", ("true",), secret_files=(file,), uid=uid).like(Pod.of(pod))
        spec = helper.manifest("x-1", seconds=1)["spec"]
        for container in (*spec["initContainers"], *spec["containers"]):
            assert container["securityContext"].items() >= container_security(None, non_root=True).items()
            assert container["resources"]["limits"] == {"cpu": "4", "memory": "16Gi"}
            assert container["resources"]["requests"] == {"cpu": "50m", "memory": "128Mi"}
        assert spec["automountServiceAccountToken"] is False
        assert spec["serviceAccountName"] == "postgres"
        assert spec["priorityClassName"] == "database"
        assert spec["tolerations"] == [{"key": "dedicated", "value": "db"}]


@pytest.mark.parametrize(
    ("text", "number"),
    [("500m", "0.5"), ("2", "2"), ("2Gi", "2147483648"), ("1.5k", "1500"), ("1e3", "1000")],
)
def test_a_quantity_is_read_as_kubernetes_reads_it(text: str, number: str) -> None:
    assert quantity(text) == Decimal(number)


def test_a_text_that_is_no_quantity_is_refused() -> None:
    with pytest.raises(ParameterError, match="not a quantity"):
        quantity("10 GB")


def test_a_helper_is_not_made_in_a_plan(cluster: Cluster, replay: Replay) -> None:
    replay.answer("GET", PODS, 200, listing())
    cluster.journal.dry_run = True
    with pytest.raises(GateClosed, match="plan only"):
        cluster.run_helper(HelperPod("x", "postgres:17", ("true",)))
    assert not [path for method, path, *_ in replay.requests if method != "GET" and path.startswith(PODS)]
