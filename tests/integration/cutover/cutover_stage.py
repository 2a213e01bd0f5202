"""A publisher with three databases, its subscriber, and a client that uses a sequence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from pgnb.cluster import Cluster, connect
from pgnb.core.plan import Applied, Change, gate
from pgnb.core.wait import wait_until
from pgnb.logical.cutover import CutoverTerms, ReverseReplication, logical_cutover
from pgnb.logical.cutover.participants import Cutover
from pgnb.logical.databases import plan_databases
from pgnb.logical.initial_copy import wait_copied
from pgnb.logical.markers import plan_markers
from pgnb.logical.publications import plan_publications
from pgnb.logical.roles import plan_reader
from pgnb.logical.schema import plan_schema
from pgnb.logical.specs import Specs, database_specs
from pgnb.logical.subscriptions import plan_subscriptions
from pgnb.observe.writer import Writer, start_client
from pgnb.physical import replication_source
from pgnb.postgres import Server, ServerAccess, find_server
from pgnb.postgres.roles import plan_role

ROLE, SECRET, PUBLISHER, SUBSCRIBER = "replicator", "replication", "postgres-primary", "postgres-subscriber"
DATABASES = ("shop", "Sales-2026", "顧客 100%")
_LOGICAL = (
    "-c",
    "wal_level=logical",
    "-c",
    "max_worker_processes=30",
    "-c",
    "max_wal_senders=30",
    "-c",
    "max_logical_replication_workers=20",
    "-c",
    "wal_retrieve_retry_interval=1s",
)
_TABLES = (
    "CREATE TABLE heartbeat (id bigserial PRIMARY KEY, at timestamptz DEFAULT clock_timestamp())",
    "CREATE TABLE orders (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, item text)",
    "CREATE TABLE empty (id serial PRIMARY KEY)",
    'CREATE SEQUENCE "Down\'s" INCREMENT -5 MAXVALUE 1000',
    "CREATE TABLE descending (id int PRIMARY KEY DEFAULT nextval('\"Down''s\"'))",
    "INSERT INTO orders (item) SELECT 'item ' || n FROM generate_series(1, 500) AS n",
    "INSERT INTO descending SELECT nextval('\"Down''s\"') FROM generate_series(1, 20)",
    "DELETE FROM orders WHERE id > 480",
)


@dataclass
class Stage:
    """Both servers of one namespace."""

    kubeconfig: str
    cluster: Cluster
    publisher: Server
    subscriber: Server
    found: list[Server] = field(default_factory=list)

    def cut(self, operation: str, *, reverse_service: str = "", **terms: Any) -> Cutover:
        """Find the participants as the notebook does; the publisher is closed with the stage."""
        found = logical_cutover(
            operation,
            self.subscriber,
            ServerAccess(password=f"secret:{PUBLISHER}/password"),
            publisher_selector=f"app={PUBLISHER}",
            service=PUBLISHER,
            reverse=ReverseReplication(reverse_service, ROLE, SECRET),
            terms=CutoverTerms(timeout=60.0, **terms),
        )
        self.found.append(found.publisher)
        return found

    def planning(self) -> Stage:
        """Give the same servers in a plan-only run."""
        cluster = connect(self.kubeconfig, "", self.cluster.namespace, dry_run=True)
        return replace(self, cluster=cluster, subscriber=server_of(cluster, SUBSCRIBER))

    def start_client(self) -> Writer:
        """Start a client that inserts through the Service, with the sequence of heartbeat."""
        password = f"secret:{PUBLISHER}/password"
        return start_client(self.publisher, "shop", password, host=PUBLISHER)

    def kill_publisher(self) -> None:
        """Remove its pod, and create none again."""
        self.scale_publisher(0)
        wait_until(
            "no pod", lambda: self.cluster.pods(f"app={PUBLISHER}"), lambda found: not found, timeout=60
        )

    def scale_publisher(self, replicas: int) -> None:
        self.publisher.close()
        self.cluster.patch("deployments", PUBLISHER, {"spec": {"replicas": replicas}}, f"{replicas} replicas")

    def close(self) -> None:
        for server in (self.publisher, self.subscriber, *self.found):
            server.close()
        self.cluster.close()


def server_of(cluster: Cluster, workload: str) -> Server:
    return find_server(cluster, f"app={workload}", password=f"secret:{workload}/password")


def start_stage(kubeconfig: str, namespace: str, start_postgres: Callable[..., Any]) -> Stage:
    """Start both servers with three replicated databases, their initial copies finished."""
    for name in (PUBLISHER, SUBSCRIBER):
        start_postgres(namespace, name, args=_LOGICAL)
    cluster = connect(kubeconfig, "", namespace, dry_run=False)
    stage = Stage(kubeconfig, cluster, server_of(cluster, PUBLISHER), server_of(cluster, SUBSCRIBER))
    carry_out(plan_role(stage.publisher, ROLE, SECRET))
    carry_out(plan_reader(stage.publisher, ROLE))
    for database in DATABASES:
        stage.publisher.execute(f'CREATE DATABASE "{database}"')
        for statement in _TABLES:
            stage.publisher.execute(statement, database=database)
    replicate(stage, database_specs(stage.publisher, DATABASES))
    return stage


def replicate(stage: Stage, specs: Specs) -> None:
    """Run section 12.4."""
    here, there = stage.publisher, stage.subscriber
    origin = replication_source(here, role=ROLE, secret=SECRET)
    carry_out(plan_databases(here, there, specs))
    carry_out(plan_schema(here, there, specs, origin))
    carry_out(plan_markers(here, there, specs))
    carry_out(plan_publications(here, specs))
    carry_out(plan_subscriptions(here, there, specs, origin))
    wait_copied(here, there, specs, timeout=60)


def carry_out(change: Change, **confirmations: Any) -> Applied:
    """Gate and apply, as a cell does."""
    gate(change, **confirmations)
    return change.apply()
