"""Section 12 with the rights of pgnb/manifests/rbac.yaml: enough for each notebook, none unused.

Who has too few is refused before anything is changed, on a server or in the namespace.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import shaped
from cells import performed
from places import Place
from restricted import Named, Right, granted, granted_by_name, kubeconfig_of_account, recorded

from pgnb.cluster import connect
from pgnb.core.errors import GateClosed
from pgnb.core.plan import gate
from pgnb.logical.cutover import logical_cutover, plan_cutover
from pgnb.logical.write_block import write_status
from pgnb.postgres import Server, ServerAccess, find_server
from pgnb.postgres.config.configure import plan_settings
from pgnb.postgres.config.restart import plan_restart
from pgnb_rehearsal.client import Client
from tests.notebooks.snapshot import snapshot

pytestmark = pytest.mark.long

OBSERVE, LOGICAL, FAILOVER = "pgnb-observe", "pgnb-logical", "pgnb-logical-failover"
PUBLISHER, SUBSCRIBER = "seventeen", "postgres-subscriber"
NAMES = {"postgres-primary": PUBLISHER}
SECTION = ("12", "12_07", "12_08", "12_09", "12_10")
RESTART = {"allow_restart": True}  # wal_level waits for one of the publisher, the workers of the subscriber.
MADE_FIRST = {"table": "public.made_first", "table_ddl": ""}
WORKERS = "max_logical_replication_workers"
REMEDY = RESTART | {"remedy": "workers", "confirm_remedy": WORKERS}
CUTOVER = RESTART | {"allow_cutover": True, "reverse_service": SUBSCRIBER}
ELSEWHERE = {("patch", "statefulsets"), ("create", "leases")}  # Run by Deployments; a Lease is made once.
PODS, RESTARTS = ("create pods", "delete pods"), "patch deployments.apps"


@dataclass
class Stage:
    """A primary with one database, and an account that may do a part of what is to be done there."""

    place: Place
    api: Client
    admin: Path
    folder: Path
    monkeypatch: pytest.MonkeyPatch
    by_name: set[Named] = field(default_factory=set)

    def account(self, *roles: str) -> dict[str, Any]:
        """The parameters for an account with these roles; it is the same one each time, bound anew."""
        path = self.folder / "-".join(roles)
        kubeconfig_of_account(self.place.cluster, self.api, self.admin, path, roles, NAMES)
        here = {"subscriber_size": "1Gi", "database_owner": "", "table_owner": "", "longest_gap": 60.0}
        return self.place.parameters | here | {"kubeconfig": str(path)}

    def take(self, role: str, verb: str, resource: str) -> None:
        """Take one right out of a role, until the account is bound anew."""
        found = self.place.cluster.get("roles", role)
        assert found is not None
        rules = [
            {**rule, "verbs": [v for v in rule["verbs"] if v != verb or resource not in rule["resources"]]}
            for rule in found["rules"]
        ]
        body = {"rules": [rule for rule in rules if rule["verbs"]]}
        self.place.cluster.patch("roles", role, body, f"take {verb} {resource}")

    def server(self, name: str) -> Server:
        return find_server(self.place.cluster, f"app={name}", password=f"secret:{name}/password")

    def used(self, given: dict[str, Any], *numbers: str) -> set[Right]:
        """The rights that the notebooks take, one after the other."""
        with recorded(self.monkeypatch, self.by_name) as used:
            for number in numbers:
                with performed(number, given):
                    pass
        return used

    def refused(self, number: str, given: dict[str, Any], *missing: str) -> None:
        """The notebook stops for want of these rights, and nothing is changed."""
        before = self.snapshot()
        with (
            pytest.raises(GateClosed, match="before anything was changed") as stopped,
            performed(number, given),
        ):
            pass
        assert {words.partition(":")[0] for words in stopped.value.found.split("; ")} == set(missing)
        assert self.snapshot() == before

    def snapshot(self) -> dict[str, Any]:
        there = [name for name in (PUBLISHER, SUBSCRIBER) if self.place.cluster.pods(f"app={name}")]
        servers = tuple(self.server(name) for name in there)
        try:
            return snapshot(self.place.cluster, servers)
        finally:
            for server in servers:
                server.close()


@pytest.fixture
def stage(
    place: Callable[..., Place],
    kubeconfig: Path,
    tmp_path: Path,
    api: Client,
    monkeypatch: pytest.MonkeyPatch,
) -> Stage:
    made = Stage(place(shaped.seventeen()), api, kubeconfig, tmp_path, monkeypatch)
    publisher = made.server(PUBLISHER)
    publisher.execute("CREATE DATABASE shop")
    publisher.execute("CREATE TABLE orders (id int PRIMARY KEY, item text)", database="shop")
    publisher.execute("INSERT INTO orders VALUES (1, 'one')", database="shop")
    publisher.close()
    return made


def test_each_notebook_has_the_rights_that_it_needs_and_no_other(stage: Stage) -> None:
    observing = stage.used(stage.account(OBSERVE) | {"dry_run": "true"}, "12")
    building = stage.used(stage.account(OBSERVE, LOGICAL) | RESTART, "12")
    _leave_one_worker(stage)
    stage.refused("12_09", stage.account(OBSERVE) | REMEDY, RESTARTS)
    building |= stage.used(stage.account(OBSERVE, LOGICAL) | REMEDY, "12_09")
    reader = stage.account(OBSERVE)
    others = [number for number in SECTION if number != "12_07"]
    observing |= stage.used(reader | MADE_FIRST | CUTOVER | {"dry_run": "true"}, *others)
    _make_a_table_first(stage)
    observing |= stage.used(reader | MADE_FIRST | {"dry_run": "true"}, "12_07")
    stage.refused("12_07", reader | MADE_FIRST, *PODS)
    stage.refused("12_08", reader | RESTART, *PODS, RESTARTS)
    stage.refused("12_10", reader | CUTOVER, "patch services", *PODS, RESTARTS)
    builder = stage.account(OBSERVE, LOGICAL)
    building |= stage.used(builder | RESTART | MADE_FIRST, "12_07", "12_08")
    assert building <= granted([OBSERVE, LOGICAL])
    stage.refused("12_10", builder | CUTOVER, "patch services")
    _refused_before_writes_are_stopped(stage, builder)
    building |= stage.used(
        builder | RESTART, "12"
    )  # Only its marker's row is left to write, under the Lease.
    assert building <= granted([OBSERVE, LOGICAL])
    assert observing <= granted([OBSERVE])
    failing_over = stage.used(stage.account(OBSERVE, FAILOVER) | CUTOVER, "12_10")
    failing_over |= stage.used(stage.account(OBSERVE, FAILOVER) | CUTOVER, "12_10")
    assert failing_over <= granted([OBSERVE, FAILOVER])
    assert granted_by_name([OBSERVE], NAMES) <= stage.by_name
    for role, used in ((LOGICAL, building), (FAILOVER, failing_over)):
        assert granted([role]) - used <= ELSEWHERE
        unused = granted_by_name([role], NAMES) - stage.by_name
        assert {(verb, resource) for verb, resource, _ in unused} <= ELSEWHERE


def _leave_one_worker(stage: Stage) -> None:
    """Work for 12.9, which mends it by a restart."""
    subscriber = stage.server(SUBSCRIBER)
    plan_settings(subscriber, {WORKERS: 1}, write_restart=True).apply()
    restart = plan_restart(subscriber, reason="too few workers are wished")
    gate(restart, allow_restart=True)
    restart.apply()
    subscriber.close()


def _make_a_table_first(stage: Stage) -> None:
    """Work for 12.7: on the publisher alone, so that the subscriber's is made from a dump."""
    publisher = stage.server(PUBLISHER)
    publisher.execute("CREATE TABLE made_first (id int PRIMARY KEY)", database="shop")
    publisher.close()


def _refused_before_writes_are_stopped(stage: Stage, given: dict[str, Any]) -> None:
    """The path's own precheck asks for the Service, whoever comes without the notebook's gates."""
    cluster = connect(given["kubeconfig"], "", given["namespace"], dry_run=False)
    subscriber = find_server(cluster, f"app={SUBSCRIBER}", password=f"secret:{SUBSCRIBER}/password")
    cut = logical_cutover(
        "cutover",
        subscriber,
        ServerAccess(password=f"secret:{PUBLISHER}/password"),
        publisher_selector=f"app={PUBLISHER}",
        service=PUBLISHER,
    )
    change = plan_cutover(cut)
    gate(change, allow_cutover=True)
    with pytest.raises(GateClosed, match="before anything was changed") as stopped:
        change.apply()
    assert stopped.value.found.startswith("patch services:")
    assert not any(one.blocked for one in write_status(cut.publisher).values())
    for server in (cut.publisher, subscriber):
        server.close()
    cluster.close()


MADE = ("the pod of postgres-subscriber", "the pod of pg_dump")
"""The checks that try by a dry run what may not be made."""


def test_a_subscriber_that_could_not_be_made_whole_is_not_begun(stage: Stage) -> None:
    kinds = ("secrets", "persistentvolumeclaims", "services", "deployments.apps")
    objects = [f"{verb} {kind}" for kind in kinds for verb in ("create", "patch")]
    stage.refused("12", stage.account(OBSERVE) | RESTART, *objects, *PODS, *MADE)
    for verb, resource, missing in (
        ("create", "deployments", "create deployments.apps"),
        ("delete", "pods", "delete pods"),
    ):
        given = stage.account(OBSERVE, LOGICAL) | RESTART
        stage.take(LOGICAL, verb, resource)
        stage.refused("12", given, missing)


def test_a_publisher_is_not_prepared_for_what_may_not_be_carried_out(
    stage: Stage, namespace: str, start_postgres: Callable[..., Any]
) -> None:
    start_postgres(namespace, SUBSCRIBER)
    reader = stage.account(OBSERVE) | RESTART
    stage.refused("12", reader, *PODS, "create secrets", "patch secrets", RESTARTS)
    stage.refused("12_08", reader, *PODS, RESTARTS)
    given = stage.account(OBSERVE, LOGICAL)
    stage.take(LOGICAL, "create", "secrets")
    stage.refused("12", given, "create secrets")
