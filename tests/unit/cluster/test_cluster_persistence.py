"""What outlives a pod: volumes by kind, and a StatefulSet's claims when it is scaled down."""

from __future__ import annotations

from typing import Any

import pytest
from replaying import NAMESPACE, Replay, recorded_pod

from pgnb.cluster import Cluster, Pod, Workload
from pgnb.cluster.admission import pod_of_workload
from pgnb.cluster.persistence import assert_claims_kept, bound_to_one_node
from pgnb.core.errors import ParameterError

DATA = "/var/lib/postgresql/data"
HOST = {"hostPath": {"path": "/srv/pg"}}


def on(volume: dict[str, Any], **spec: Any) -> Pod:
    pod = recorded_pod()
    pod["spec"] |= {"volumes": [{"name": "data", **volume}], **spec}
    pod["spec"]["containers"][0]["volumeMounts"] = [{"name": "data", "mountPath": DATA}]
    return Pod.of(pod)


def required(*terms: list[str], key: str = "kubernetes.io/hostname") -> dict[str, Any]:
    found = [{"matchExpressions": [{"key": key, "operator": "In", "values": term}]} for term in terms]
    rule = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": found}}
    return {"nodeAffinity": rule}


@pytest.mark.parametrize(
    ("volume", "lasts"),
    [
        ({"persistentVolumeClaim": {"claimName": "data"}}, True),
        ({"nfs": {"server": "files", "path": "/pg"}}, True),
        ({"ephemeral": {"volumeClaimTemplate": {"spec": {}}}}, False),
        ({"emptyDir": {}}, False),
        ({"emptyDir": {"medium": "Memory"}}, False),
        (HOST, False),
        ({"projected": {"sources": []}}, False),
        ({"csi": {"driver": "inline.example.com"}}, False),
        ({"configMap": {"name": "files"}}, False),
        ({"image": {"reference": "registry.example/data"}}, False),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_which_volume_outlives_its_pod(volume: dict[str, Any], lasts: bool) -> None:
    mount = on(volume).mount_of(f"{DATA}/pgdata")
    assert mount is not None
    assert mount.persistent is lasts


@pytest.mark.parametrize(
    ("spec", "bound"),
    [
        ({"nodeSelector": {"kubernetes.io/hostname": "node-1"}}, True),
        ({"nodeSelector": {"disk": "ssd"}}, False),
        ({"nodeName": "node-1"}, False),
        ({"affinity": required(["node-1"])}, True),
        ({"affinity": required(["node-1", "node-2"])}, False),
        ({"affinity": required(["node-1"], ["node-2"])}, False),
        ({"affinity": required(["zone-a"], key="topology.kubernetes.io/zone")}, False),
        ({}, False),
    ],
)
def test_a_directory_of_a_node_lasts_where_the_pod_can_run_on_no_other(
    spec: dict[str, Any], bound: bool
) -> None:
    """A running pod has a nodeName always: the scheduler wrote it, and the next pod may get another."""
    assert bound_to_one_node(spec) is bound
    mount = on(HOST, **spec).mount_of(DATA)
    assert mount is not None
    assert mount.persistent is bound


def test_what_a_claim_template_in_the_pod_holds_is_not_persistent(cluster: Cluster) -> None:
    volume = cluster.volume(on({"ephemeral": {"volumeClaimTemplate": {"spec": {}}}}), f"{DATA}/pgdata")
    assert not volume.persistent
    assert str(volume) == f"ephemeral at {DATA}"


def stateful_set(when_scaled: str) -> Workload:
    spec = {
        "replicas": 1,
        "template": {"metadata": {}, "spec": {}},
        "volumeClaimTemplates": [{"metadata": {"name": "data"}}],
        "persistentVolumeClaimRetentionPolicy": {"whenScaled": when_scaled, "whenDeleted": "Retain"},
    }
    return Workload.of({"kind": "StatefulSet", "metadata": {"name": "db"}, "spec": spec})


def test_a_stateful_set_whose_claims_go_with_its_pods_is_not_scaled_down(
    cluster: Cluster, replay: Replay
) -> None:
    with pytest.raises(ParameterError, match="would lose its data") as refused:
        cluster.scale_and_wait(stateful_set("Delete"), 0)
    assert "Retain" in str(refused.value)
    assert not [path for method, path, *_ in replay.requests if method != "GET" and NAMESPACE in path]
    assert_claims_kept("statefulset/db", stateful_set("Retain").object["spec"])


def test_the_pod_that_a_stateful_set_would_make_has_its_claims() -> None:
    made = pod_of_workload(stateful_set("Retain").object)
    claim = {"name": "data", "persistentVolumeClaim": {"claimName": "data-db-0"}}
    assert made["spec"]["volumes"] == [claim]
    assert made["kind"] == "Pod"
