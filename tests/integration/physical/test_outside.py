"""pg_wal and a tablespace on separate volumes: a standby has them separately, too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rejoin_stage import Nodes
from replication_stage import Stage, carry_out, open_stage, spec_of

from pgnb.cluster import HelperPod
from pgnb.core.errors import GateClosed, ParameterError
from pgnb.core.wait import wait_until
from pgnb.physical import (
    StandbySpec,
    layout_checks,
    plan_slot,
    plan_standby_config,
    plan_standby_workload,
    standby_checks,
)
from pgnb.postgres.preflight import preflight
from pgnb_rehearsal.client import Client

pytestmark = pytest.mark.long

DATA = "/var/lib/postgresql/data/pgdata"


def with_volumes(name: str, *paths: str) -> Callable[[dict[str, Any]], None]:
    """A claim NAME-PATH mounted at each path; below the first one is pg_wal."""

    def patch(obj: dict[str, Any]) -> None:
        if (template := obj.get("spec", {}).get("template")) is None:
            return
        container = template["spec"]["containers"][0]
        container["env"].append({"name": "POSTGRES_INITDB_WALDIR", "value": f"{paths[0]}/pg_wal"})
        for path in paths:
            word = path.strip("/")
            claim = {"claimName": f"{name}-{word}"}
            container["volumeMounts"].append({"name": word, "mountPath": path})
            template["spec"]["volumes"].append({"name": word, "persistentVolumeClaim": claim})

    return patch


@pytest.fixture(scope="module")
def start(
    module_namespace: str, api: Client, start_postgres: Callable[..., Any]
) -> Callable[[str, list[str]], None]:
    def made(name: str, paths: list[str]) -> None:
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}}
        for path in paths:
            metadata = {"name": f"{name}-{path.strip('/')}"}
            claims = f"/api/v1/namespaces/{module_namespace}/persistentvolumeclaims"
            api.create(claims, {"metadata": metadata, "spec": spec})
        patch = with_volumes(name, *paths) if paths else None
        start_postgres(module_namespace, name, patch=patch)

    return made


@pytest.fixture(scope="module")
def stage(
    module_namespace: str, kubeconfig: Path, start: Callable[[str, list[str]], None]
) -> Iterator[Stage]:
    """A primary whose WAL is below /wal, with a tablespace below /ts."""
    start("postgres-primary", ["/wal", "/ts"])
    made = open_stage(kubeconfig, module_namespace)
    made.cluster.exec(made.primary.pod, ["mkdir", "/ts/fast"], changes="a tablespace's directory")
    made.primary.execute("CREATE TABLESPACE fast LOCATION '/ts/fast'")
    made.primary.execute("CREATE TABLE kept TABLESPACE fast AS SELECT generate_series(1, 1000) AS n")
    yield made
    made.primary.close()
    made.cluster.close()


def assert_apart(stage: Stage, name: str, slot: str, wal: str, space: str) -> None:
    """It streams, with its WAL and the tablespace there and nowhere else."""
    standby = stage.server(name)
    try:
        assert standby_checks(stage.primary, standby, slot=slot, application_name=name).ok
        assert stage.cluster.exec(standby.pod, ["readlink", f"{DATA}/pg_wal"]).text == wal
        place = standby.scalar("SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname = 'fast'")
        assert place == space
        assert standby.scalar("SELECT count(*) FROM kept") == 1000
        for path in (wal, space):
            above, _, last = path.rpartition("/")
            assert stage.cluster.exec(standby.pod, ["ls", above]).text == last
    finally:
        standby.close()


def test_section_one_says_where_they_lie(stage: Stage) -> None:
    found = {check.name: check for check in preflight(stage.primary)}
    assert "/ts/fast on claim postgres-primary-ts" in str(found["tablespaces"].found)
    assert "/wal/pg_wal on claim postgres-primary-wal" in str(found["pg_wal"].found)


def test_a_standby_of_pgnbs_gets_claims_for_both(stage: Stage) -> None:
    places = layout_checks(stage.primary, "one")
    assert places.ok
    assert "/ts/fast, on claim one-ts" in str(places)
    stage.workload("one", "slot_1")
    claim = stage.cluster.get("persistentvolumeclaims", "one-wal")
    assert claim is not None
    assert claim["spec"]["resources"]["requests"]["storage"] == "2Gi"
    change = stage.backup("one", "slot_1")
    assert "pg_wal at /wal/pg_wal on claim one-wal" in str(change)
    carry_out(change)
    assert_apart(stage, "one", "slot_1", "/wal/pg_wal", "/ts/fast")


def test_copied_again_it_takes_the_places_beside_and_empties_the_former_ones(stage: Stage) -> None:
    stage.cluster.scale_and_wait(stage.cluster.find_workload("Deployment", "one"), 0)
    # Its claims are there.
    assert not plan_standby_workload(stage.primary, spec_of("one", "slot_1"), stage.source())
    carry_out(stage.backup("one", "slot_1"))
    assert_apart(stage, "one", "slot_1", "/wal/pg_wal.2", "/ts/fast.2")


def test_a_finished_copy_is_used_while_its_places_are_those_that_are_planned(stage: Stage) -> None:
    stage.cluster.scale_and_wait(stage.cluster.find_workload("Deployment", "one"), 0)
    for step in stage.backup("one", "slot_1").steps[:2]:
        step.run()
    other = stage.backup("one", "slot_1", tablespaces={"/ts/fast": "/ts/other"})
    assert "is made again: it has tablespaces at /ts/fast, and /ts/other is planned" in str(other)
    same = stage.backup("one", "slot_1")
    assert "by an earlier run, is used" in str(same)
    carry_out(same)
    assert_apart(stage, "one", "slot_1", "/wal/pg_wal", "/ts/fast")


def test_a_claim_that_was_deleted_is_made_again_like_the_primarys(stage: Stage, api: Client) -> None:
    stage.cluster.scale_and_wait(stage.cluster.find_workload("Deployment", "one"), 0)
    claims = f"/api/v1/namespaces/{stage.namespace}/persistentvolumeclaims"
    api.request("DELETE", f"{claims}/one-ts-2")
    wait_until(
        "the claim to be gone",
        lambda: api.find(f"{claims}/one-ts-2"),
        lambda claim: claim is None,
        timeout=60,
    )
    carry_out(plan_standby_workload(stage.primary, spec_of("one", "slot_1"), stage.source()))
    claim = stage.cluster.get("persistentvolumeclaims", "one-ts-2")
    assert claim is not None
    assert claim["spec"]["resources"]["requests"]["storage"] == "2Gi"
    owner, image = stage.primary.owner, stage.primary.pod.image
    other = HelperPod("job", image, (), claims={"/shared": "one-ts-2"}, uid=owner.uid, gid=owner.gid)
    with stage.cluster.helper(other) as job:
        checks = {check.name: check for check in stage.backup("one", "slot_1").precheck()}
        assert checks["no other pod on the volume"].ok
        shared = checks["no other pod on claim one-ts-2"]
        assert (shared.found, shared.stops) == (job.pod.name, False)
        assert "it has mounted the claim one-ts-2" in shared.remedy
    carry_out(stage.backup("one", "slot_1"))


def test_an_adopted_standby_keeps_its_own_split_and_the_tablespace_goes_where_it_is_told(
    stage: Stage, start: Callable[[str, list[str]], None]
) -> None:
    start("adopted", ["/own-wal", "/other"])
    carry_out(plan_slot(stage.primary, "slot_2"))
    carry_out(plan_standby_config(stage.primary, "adopted-config"))
    assert not layout_checks(stage.primary, "adopted").ok
    mapping = {"/ts/fast": "/other/fast"}
    source = stage.source()
    with pytest.raises(ParameterError, match="/ts/fast is in the image"):
        plan_standby_workload(stage.primary, StandbySpec("adopted", "slot_2", "adopted"), source)
    with pytest.raises(ParameterError, match="maps a path that is not a tablespace"):
        layout_checks(stage.primary, "adopted", {"/ts/slow": "/other"})
    assert layout_checks(stage.primary, "adopted", mapping).ok
    spec = StandbySpec("adopted", "slot_2", "adopted", tablespaces=mapping)
    carry_out(plan_standby_workload(stage.primary, spec, source))
    stage.cluster.scale_and_wait(stage.cluster.find_workload("Deployment", "adopted"), 1)
    pod = stage.cluster.pod("app=adopted")
    stage.cluster.exec(pod, ["mkdir", "-p", "/other/fast/somebody's"], changes="files of somebody's")
    with pytest.raises(GateClosed, match="/other/fast is not empty: somebody's"):
        stage.backup("adopted", "slot_2", tablespaces=mapping).apply()
    stage.cluster.exec(pod, ["rmdir", "/other/fast/somebody's"], changes="and without them")
    carry_out(stage.backup("adopted", "slot_2", tablespaces=mapping))
    assert_apart(stage, "adopted", "slot_2", "/own-wal/pg_wal.2", "/other/fast")
    assert layout_checks(stage.primary, "adopted").ok  # It streams: nothing of it is to be placed.


def test_a_former_primary_returns_with_both(stage: Stage) -> None:
    nodes = Nodes(stage)
    try:
        stage.primary.close()
        stage.cluster.scale_and_wait(stage.cluster.find_workload("Deployment", "postgres-primary"), 0)
        nodes.promote("one")
        back = nodes.rejoin(
            "postgres-primary", "slot_3", method="base backup", wipe_standby_data="postgres-primary"
        )
        (confirmation,) = back.confirmations
        assert "with its files at /wal/pg_wal, /ts/fast" in confirmation.why
        carry_out(back)
        after = Stage(stage.cluster, nodes.primary, stage.kubeconfig, stage.namespace)
        assert_apart(after, "postgres-primary", "slot_3", "/wal/pg_wal.2", "/ts/fast.2")
    finally:
        for server in nodes.servers.values():
            server.close()
