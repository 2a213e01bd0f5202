"""Helper pods on a stopped server's claims: which they mount, and which one decides their node."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from pgnb.cluster import HelperPod, Pod, Workload, helpers
from pgnb.core.errors import PodError
from pgnb.physical.copies import work_name
from pgnb.physical.failover import RoleChangeTerms, volume
from pgnb.physical.failover.participants import RoleChangeProgress
from pgnb.physical.target import Target

DATA = "/var/lib/postgresql/data"


def target() -> Target:
    """A server with WAL on its own claim, a writable archive, and a read-only one."""
    names = {"data": DATA, "wal": "/wal", "archive": "/archive", "restored": "/restored"}
    return server([{"name": n, "mountPath": p, "readOnly": n == "restored"} for n, p in names.items()])


def server(mounts: list[dict[str, Any]]) -> Target:
    """A stopped server with those mounts, each of the claim that is named as its volume."""
    names = {mount["name"] for mount in mounts}
    volumes = [{"name": n, "persistentVolumeClaim": {"claimName": n}} for n in names]
    container = {"name": "db", "image": "postgres:17", "volumeMounts": mounts}
    spec: dict[str, Any] = {"containers": [container], "volumes": volumes}
    pod = Pod.of({"metadata": {"name": "p", "uid": "u"}, "spec": spec})
    mount = pod.mount_of(DATA)
    assert mount is not None
    return Target(Workload("Deployment", "p", 0, "Recreate", "", (), {}), pod, DATA, mount)


def running(node: str, claim: str) -> dict[str, Any]:
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": claim}}]
    return {"spec": {"nodeName": node, "volumes": volumes}, "status": {"phase": "Running"}}


def test_what_the_server_may_only_read_is_not_mounted() -> None:
    claims = target().helper("look", (), uid=999, gid=999).claims
    assert claims == {DATA: "data", "/wal": "wal", "/archive": "archive"}


def test_a_claim_with_several_mounts_is_one_volume_of_a_helper() -> None:
    """A kubelet never starts a pod that names one claim by two volumes."""
    one = [
        {"name": "one", "mountPath": DATA, "subPath": "pgdata"},
        {"name": "one", "mountPath": "/logs", "subPath": "logs"},
        {"name": "ts", "mountPath": "/ts"},
        {"name": "one", "mountPath": "/wal", "subPath": "wal"},
    ]
    spec = server(one).helper("look", ("true",), uid=999, gid=999).manifest("look", seconds=60)["spec"]
    claims = {v["name"]: v["persistentVolumeClaim"]["claimName"] for v in spec["volumes"]}
    assert sorted(claims.values()) == ["one", "ts"]
    mounts = spec["containers"][0]["volumeMounts"]
    found = {m["mountPath"]: (claims[m["name"]], m.get("subPath")) for m in mounts}
    # The data's claim is mounted whole: a base backup is made beside the subPath.
    assert found == {
        DATA: ("one", None),
        "/logs": ("one", "logs"),
        "/ts": ("ts", None),
        "/wal": ("one", "wal"),
    }
    assert len(mounts) == len(found)


@pytest.mark.parametrize(
    ("pods", "node"),
    [
        ([running("far", "archive")], ""),  # The scheduler knows where the data's volume can be.
        ([running("far", "archive"), running("near", "data")], "near"),
    ],
)
def test_a_claim_that_others_share_does_not_say_where_it_runs(
    pods: list[dict[str, Any]], node: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(helpers, "list_all", lambda *_: pods)
    api: Any = None
    assert helpers._node_of_claims(api, target().helper("look", (), uid=999, gid=999)) == node


def test_the_fence_needs_no_claim_but_the_datas(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[set[str]] = []

    @contextmanager
    def helper(spec: HelperPod, *, lifetime: float):
        asked.append(set(spec.claims.values()))
        assert spec.start_timeout == 420.0
        if "archive" in asked[-1]:
            raise PodError("cannot start: its archive is gone")
        yield "helper"

    owner = SimpleNamespace(uid=999, gid=999)
    candidate = SimpleNamespace(owner=owner, pod=target().pod)
    role_change: Any = SimpleNamespace(
        cluster=SimpleNamespace(helper=helper),
        candidate=candidate,
        progress=RoleChangeProgress(),
        terms=RoleChangeTerms(fencing_timeout=420.0),
    )
    for _ in range(2):
        with volume.open_on(role_change, target()) as found:
            assert found == "helper"
    assert asked == [{"data", "wal", "archive"}, {"data"}, {"data"}]


def test_a_helper_that_copies_tablespaces_to_other_places_does_other_work() -> None:
    """So a run with other places does not follow it, and reports another pod on the volume."""
    primary: Any = SimpleNamespace(facts=SimpleNamespace(system_identifier="7"))
    kept, moved = (work_name(primary, target(), {"/ts/a": to}) for to in ("/ts/a", "/ts/b"))
    assert kept == f"base backup of 7 into data:{DATA}, /ts/a into /ts/a"
    assert moved == f"base backup of 7 into data:{DATA}, /ts/a into /ts/b"
