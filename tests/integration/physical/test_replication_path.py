"""Sections 2.3 to 3.3 and 4 on real servers: slot, source, standby, base backup, streaming; then again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from replication_stage import ROLE, ROWS, SECRET, Stage, carry_out, spec_of

from pgnb.core.checks import gate as gate_checks
from pgnb.core.checks import verify
from pgnb.core.errors import ParameterError
from pgnb.core.wait import wait_until
from pgnb.physical import (
    StandbySpec,
    check_source,
    plan_base_backup,
    plan_drop_slot,
    plan_slot,
    plan_standby_config,
    plan_standby_workload,
    replication_source,
    replication_status,
    slots,
    standby_checks,
    standby_status,
)
from pgnb.postgres import find_server
from pgnb.postgres.progress import marker, wait_replayed

NAME, SLOT = "standby-one", "slot_one"


def objects(stage: Stage) -> set[tuple[str, str, str]]:
    """Every object that a run could have made or changed, with its version."""
    kinds = ("pods", "configmaps", "secrets", "services", "deployments", "persistentvolumeclaims", "jobs")
    return {
        (kind, found["metadata"]["name"], found["metadata"]["resourceVersion"])
        for kind in kinds
        for found in stage.cluster.list(kind)
    }


def test_a_plan_only_run_goes_to_its_end_and_changes_nothing(stage: Stage) -> None:
    primary, before = stage.plan_only(), objects(stage)
    source = replication_source(primary, role=ROLE, secret=SECRET)
    plans = [
        plan_slot(primary, SLOT),
        plan_standby_config(primary, f"{NAME}-config"),
        plan_standby_workload(primary, spec_of(NAME, SLOT), source),
        plan_base_backup(primary, spec_of(NAME, SLOT), source),
    ]
    for plan in plans:
        assert plan
        assert not plan.apply().changed
        assert "would do" in str(plan)
    proof = check_source(primary, source, NAME, slot=SLOT)
    assert {c.name for c in proof.failed} == {f"role {ROLE}", f"slot {SLOT}"}
    standby = find_server(primary.cluster, f"app={NAME}", made_by=plans[-1])
    assert not standby.present
    assert "does not exist yet" in str(standby_status(standby))
    checks = standby_checks(primary, standby, slot=SLOT, application_name=NAME)
    assert [c.found for c in checks.failed] == ["does not exist yet"]
    assert not list(replication_status(primary, [standby]))
    assert objects(stage) == before
    assert len(slots(stage.primary)) == 0
    primary.close()


def test_a_standby_streams_from_its_slot_under_its_name(stage: Stage) -> None:
    source = stage.workload(NAME, SLOT)
    gate_checks(check_source(stage.primary, source, NAME, slot=SLOT, application_name=NAME))
    carry_out(stage.backup(NAME, SLOT))
    standby = stage.server(NAME)
    checks = verify(standby_checks(stage.primary, standby, slot=SLOT, application_name=NAME))
    assert not [c for c in checks if not c.ok]
    wait_replayed(standby, marker(stage.primary), timeout=60)
    assert standby.scalar("SELECT count(*) FROM kept") == ROWS
    assert standby.settings(["hot_standby", "max_connections"])["max_connections"].source.endswith(
        "pgnb.conf:4"
    )
    status = replication_status(stage.primary, [standby])
    assert [(s.application_name, s.slot, s.sync_state) for s in status] == [(NAME, SLOT, "async")]


def test_no_secret_stands_where_the_role_stands(stage: Stage) -> None:
    standby, password = stage.server(NAME), stage.cluster.secret_value(SECRET, "password").reveal()
    directory = standby.facts.data_directory
    files = stage.cluster.exec(standby.pod, ["grep", "-r", "-l", "-F", password, directory], check=False)
    assert files.text == ""
    passfile = stage.cluster.exec(standby.pod, ["stat", "-c", "%a", "/run/pgnb/passfile"]).text
    assert passfile == "600"
    texts = [str(standby_status(standby)), str(stage.cluster.journal.table), str(stage.cluster.list("pods"))]
    assert not [text for text in texts if password in text]


def test_the_second_run_finds_nothing_to_do(stage: Stage) -> None:
    before = objects(stage)
    source = stage.workload(NAME, SLOT)
    assert check_source(stage.primary, source, NAME, slot=SLOT, application_name=NAME).ok
    change = stage.backup(NAME, SLOT)
    assert not change
    assert "already streams from this primary" in str(change)
    assert objects(stage) == before


def test_leftovers_of_an_earlier_run_are_removed(stage: Stage) -> None:
    standby = stage.server(NAME)
    old = f"{standby.facts.data_directory}.pgnb-old"
    stage.cluster.exec(standby.pod, ["mkdir", "-p", f"{old}/base"], changes="leave something")
    carry_out(stage.backup(NAME, SLOT))
    assert stage.cluster.exec(standby.pod, ["test", "-e", old], check=False).exit_status == 1
    assert not stage.backup(NAME, SLOT)


def test_a_second_standby_beside_the_first(stage: Stage) -> None:
    stage.workload("standby-two", "slot_two")
    carry_out(stage.backup("standby-two", "slot_two"))
    for name, slot in ((NAME, SLOT), ("standby-two", "slot_two")):
        verify(standby_checks(stage.primary, stage.server(name), slot=slot, application_name=name))
    assert not stage.backup(NAME, SLOT)


def test_a_slot_that_another_standby_has_is_refused(stage: Stage) -> None:
    with pytest.raises(ParameterError, match=f"the slot {SLOT} is read by {NAME}"):
        plan_slot(stage.primary, SLOT, consumer="standby-two")
    with pytest.raises(ParameterError, match=f"the slot {SLOT} is in use"):
        stage.backup("standby-two", SLOT)
    source = replication_source(stage.primary, role=ROLE, secret=SECRET)
    proof = check_source(stage.primary, source, NAME, slot=SLOT, application_name="standby-three")
    assert [c.name for c in proof.failed] == [f"slot {SLOT}"]
    with pytest.raises(ParameterError, match="is in use"):
        plan_drop_slot(stage.primary, SLOT)


@pytest.mark.long
def test_an_adopted_workload_with_its_data_at_the_root_of_the_mount(
    stage: Stage, start_postgres: Callable[..., Any]
) -> None:
    """The procedure's mistake (fact 17): the image ran initdb, so it is Ready and follows no server."""

    def at_the_root(manifest: dict[str, Any]) -> None:
        if "template" in manifest.get("spec", {}):
            container = manifest["spec"]["template"]["spec"]["containers"][0]
            container["volumeMounts"][0]["mountPath"] = "/var/lib/postgresql/data/pgdata"

    start_postgres(stage.namespace, "adopted", patch=at_the_root)
    unrelated = stage.server("adopted").facts.system_identifier
    assert unrelated != stage.primary.facts.system_identifier
    source = stage.source()
    carry_out(plan_slot(stage.primary, "slot_adopted", consumer="adopted"))
    carry_out(plan_standby_config(stage.primary, "adopted-config"))
    adoption = plan_standby_workload(stage.primary, spec_of("adopted", "slot_adopted"), source)
    assert "scale from 1 to 0" in str(adoption)
    carry_out(adoption)
    change = stage.backup("adopted", "slot_adopted")
    assert "a fresh initdb of another cluster" in change.before
    carry_out(change)
    standby = stage.server("adopted")
    verify(standby_checks(stage.primary, standby, slot="slot_adopted", application_name="adopted"))
    left = stage.cluster.exec(standby.pod, ["ls", "-A", standby.facts.data_directory]).text
    assert ".pgnb" not in left
    assert not plan_standby_workload(stage.primary, spec_of("adopted", "slot_adopted"), source)
    assert not stage.backup("adopted", "slot_adopted")


def test_a_slot_that_reserves_nothing_is_made_again_and_its_undo_drops_it(stage: Stage) -> None:
    stage.primary.execute("SELECT pg_create_physical_replication_slot('lazy')")
    change = plan_slot(stage.primary, "lazy")
    assert [step.what.split()[0] for step in change.steps] == ["drop", "create"]
    done = change.apply()
    made = slots(stage.primary).find("lazy")
    assert made is not None and made.reserved
    assert done.undo is not None
    undo = done.undo()
    undo.grant(drop_slot="lazy")
    undo.apply()
    assert slots(stage.primary).find("lazy") is None


def stateful_set(name: str) -> dict[str, Any]:
    """An operator's own StatefulSet: the image's default data directory in its claim template's volume."""
    password = {"secretKeyRef": {"name": "postgres-primary", "key": "password"}}
    container = {
        "name": "db",
        "image": "postgres:17",
        "env": [{"name": "POSTGRES_PASSWORD", "valueFrom": password}],
        "ports": [{"containerPort": 5432}],
        "readinessProbe": {"exec": {"command": ["pg_isready", "-h", "127.0.0.1"]}, "periodSeconds": 1},
        "volumeMounts": [{"name": "pg", "mountPath": "/var/lib/postgresql/data", "subPath": "inner"}],
    }
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": name},
        "spec": {
            "serviceName": name,
            "replicas": 1,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}},
            "volumeClaimTemplates": [{"metadata": {"name": "pg"}, "spec": claim}],
        },
    }


@pytest.mark.long
def test_an_adopted_stateful_set_whose_data_directory_only_its_image_knows(stage: Stage) -> None:
    name, slot = "stateful", "slot_stateful"
    stage.cluster.create(stateful_set(name))
    wait_until(
        "its server", lambda: stage.cluster.pods(f"app={name}"), lambda p: bool(p) and p[0].ready, timeout=60
    )
    source = stage.source()
    carry_out(plan_slot(stage.primary, slot, consumer=name))
    spec = StandbySpec(name, slot, name)
    change = plan_base_backup(stage.primary, spec, source)
    assert "on claim pg-stateful-0: a fresh initdb" in change.before
    carry_out(plan_standby_workload(stage.primary, spec, source))
    # Scaled to 0, no running container shows the image's data directory; a helper pod does.
    carry_out(plan_base_backup(stage.primary, spec, source))
    standby = stage.server(name)
    verify(standby_checks(stage.primary, standby, slot=slot, application_name=name))
    assert not plan_base_backup(stage.primary, spec, source)
