"""A publisher and a subscriber in one namespace, and section 12.4 on them as in the notebook."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from pgnb.cluster import Cluster, connect
from pgnb.core.plan import Change, gate
from pgnb.logical.databases import plan_databases
from pgnb.logical.identity import plan_replica_identity, plan_subscriber_identity
from pgnb.logical.initial_copy import CopyProgress, wait_copied
from pgnb.logical.markers import plan_markers
from pgnb.logical.publication_spec import ALL_OPERATIONS
from pgnb.logical.publications import plan_publications
from pgnb.logical.roles import plan_reader, plan_roles
from pgnb.logical.schema import plan_schema
from pgnb.logical.specs import Specs, database_specs
from pgnb.logical.subscriptions import plan_subscriptions
from pgnb.physical import Source, replication_source
from pgnb.postgres import Server, compose, find_server, identifier
from pgnb.postgres.roles import plan_role

ROLE, SECRET = "replicator", "replication"
PUBLISHER, SUBSCRIBER = "publisher", "subscriber"
PUBLISHER_ARGS = (
    "-c",
    "wal_level=logical",
    "-c",
    "max_wal_senders=60",
    "-c",
    "max_replication_slots=60",
)
SUBSCRIBER_ARGS = (
    "-c",
    "max_logical_replication_workers=50",
    "-c",
    "max_worker_processes=60",
    "-c",
    "max_replication_slots=60",
    "-c",
    "wal_retrieve_retry_interval=500ms",
)


@dataclass
class Pair:
    """Both servers; `plan_only()` gives the same two in a plan-only run."""

    cluster: Cluster
    publisher: Server
    subscriber: Server
    kubeconfig: str
    origin: Source

    def specs(
        self, *databases: str, via_root: bool = False, operations: str = ALL_OPERATIONS, **publish: Any
    ) -> Specs:
        return database_specs(self.publisher, databases, publish, via_root=via_root, operations=operations)

    def wait_copied(self, specs: Specs) -> CopyProgress:
        return wait_copied(self.publisher, self.subscriber, specs, timeout=60)

    def plans(self, specs: Specs, **options: Any) -> Iterable[Change]:
        """Yield the plans of 12.4, each created after the previous one was applied."""
        here, there = self.publisher, self.subscriber
        yield plan_roles(here, there, specs)
        yield plan_databases(here, there, specs)
        yield plan_schema(here, there, specs, self.origin)
        yield plan_replica_identity(here, specs)
        yield plan_subscriber_identity(here, there, specs)
        yield plan_markers(here, there, specs)
        yield plan_publications(here, specs)
        yield plan_subscriptions(here, there, specs, self.origin, **options)

    def set_up(self, specs: Specs, **options: Any) -> CopyProgress:
        """Apply all of them and wait for the initial copy."""
        for change in self.plans(specs, **options):
            carry_out(change)
        return self.wait_copied(specs)

    def make_database(self, database: str, *statements: Any) -> None:
        """Create a database on the publisher with the contents of the statements."""
        self.publisher.execute(compose("CREATE DATABASE {}", identifier(database)))
        for statement in statements:
            self.publisher.execute(statement, database=database)

    def plan_only(self) -> Pair:
        return open_pair(self.kubeconfig, self.cluster.namespace, dry_run=True)

    def close(self) -> None:
        self.publisher.close()
        self.subscriber.close()
        self.cluster.close()


def start_pair(
    kubeconfig: str,
    namespace: str,
    start_postgres: Callable[..., Any],
    *,
    images: tuple[str, str] = ("postgres:17", "postgres:17"),
    args: tuple[tuple[str, ...], tuple[str, ...]] = (PUBLISHER_ARGS, SUBSCRIBER_ARGS),
) -> Pair:
    """Start two servers, and create the replication role."""
    start_postgres(namespace, PUBLISHER, args=args[0], image=images[0])
    start_postgres(namespace, SUBSCRIBER, args=args[1], image=images[1])
    cluster = connect(kubeconfig, "", namespace, dry_run=False)
    publisher = _server(cluster, PUBLISHER)
    carry_out(plan_role(publisher, ROLE, SECRET))
    carry_out(plan_reader(publisher, ROLE))
    publisher.close()
    cluster.close()
    return open_pair(kubeconfig, namespace, dry_run=False)


def open_pair(kubeconfig: str, namespace: str, *, dry_run: bool) -> Pair:
    """Open the two existing servers."""
    cluster = connect(kubeconfig, "", namespace, dry_run=dry_run)
    publisher = _server(cluster, PUBLISHER)
    origin = replication_source(publisher, role=ROLE, secret=SECRET)
    return Pair(cluster, publisher, _server(cluster, SUBSCRIBER), kubeconfig, origin)


def carry_out(change: Change) -> None:
    """Gate with what the notebook may be given, and apply."""
    gate(change, allow_replica_identity=True)
    change.apply()


def _server(cluster: Cluster, workload: str) -> Server:
    return find_server(cluster, f"app={workload}", password=f"secret:{workload}/password")
