"""Servers of an image that starts as root and drops its privileges, as the official one does.

Only root can give a pod's containers different users; elsewhere the rule is pinned on the manifests alone
(tests/unit/physical/test_replication_manifest.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from rejoin_stage import FIRST, SECOND, Nodes
from replication_stage import Stage, carry_out, open_stage

from pgnb.core.checks import verify
from pgnb.physical import standby_checks
from pgnb_rehearsal.client import Client
from pgnb_rehearsal.kubeconfig import read_access
from pgnb_rehearsal.lifecycle import Rehearsal
from pgnb_rehearsal.pods.identity import first_of_many
from pgnb_rehearsal.waiting import until

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        first_of_many() is None, reason="only root can give the containers of a pod different users"
    ),
]
NAMESPACE = "as-root"
Objects = Callable[..., Iterator[tuple[str, dict[str, Any]]]]


@pytest.fixture(scope="module")
def kubeconfig(new_rehearsal: Callable[..., Rehearsal]) -> Path:
    """The kubeconfig of a cluster whose containers have many users."""
    return new_rehearsal(sample=False, many_users=True).kubeconfig


@pytest.fixture(scope="module")
def stage(kubeconfig: Path, server_objects: Objects) -> Iterator[Stage]:
    """A primary and a second server, whose templates name no user."""
    with closing(Client(read_access(kubeconfig))) as api:
        api.create(
            "/api/v1/namespaces", {"metadata": {"name": NAMESPACE, "labels": {"pgnb/practice": "true"}}}
        )
        account = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default"
        until(lambda: api.find(account) is not None, 60, what="service account", found=lambda: "none")
        for name in (FIRST, SECOND):
            for path, made in server_objects(NAMESPACE, name, (), {}, "postgres:17"):
                api.create(path, made)
        for name in (FIRST, SECOND):
            path = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{name}"
            until(
                lambda path=path: bool(api.get(path)["status"].get("availableReplicas")),
                90,
                what=name,
                found=lambda path=path: str(api.get(path)["status"]),
            )
    made_stage = open_stage(kubeconfig, NAMESPACE)
    yield made_stage
    made_stage.primary.close()
    made_stage.cluster.close()


def test_the_image_starts_as_root_and_its_server_is_another_user(stage: Stage) -> None:
    seen = stage.cluster.exec(stage.primary.pod, ["sh", "-c", "id -u; stat -c %u /proc/1"]).text.split()
    assert seen == ["0", "999"]


def test_an_adopted_standby_reads_its_passfile_and_the_old_primary_comes_back(stage: Stage) -> None:
    stage.workload(SECOND, "node_b")
    carry_out(stage.backup(SECOND, "node_b"))
    nodes = Nodes(stage)
    standby = nodes.server(SECOND)
    verify(standby_checks(stage.primary, standby, slot="node_b", application_name=SECOND))
    owner = ["stat", "-c", "%u %a", "/run/pgnb/passfile"]
    assert stage.cluster.exec(standby.pod, owner).text.split() == ["999", "600"]
    nodes.server(FIRST)
    nodes.stop(FIRST)
    nodes.promote(SECOND)
    carry_out(nodes.rejoin(FIRST, "node_a"))
    returned = nodes.verified(FIRST, "node_a")
    assert stage.cluster.exec(returned.pod, owner).text.split() == ["999", "600"]
    nodes.close()
