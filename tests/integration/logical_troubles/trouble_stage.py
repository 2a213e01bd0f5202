"""A publisher and a separate subscriber, with databases that can be broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pgnb.cluster import Cluster, connect
from pgnb.core.plan import Change, gate
from pgnb.core.wait import wait_until
from pgnb.diagnosis.logical import Diagnosis, diagnose_logical
from pgnb.logical.markers import plan_markers
from pgnb.logical.publications import plan_publications
from pgnb.logical.remedies import RemedyChoice, plan_remedy
from pgnb.logical.specs import DatabaseSpec
from pgnb.logical.subscriptions import plan_subscriptions
from pgnb.physical import Source, replication_source
from pgnb.postgres import HbaRule, Server, find_server
from pgnb.postgres.config.hba import plan_hba
from pgnb.postgres.progress import lsn_bytes, marker
from pgnb.postgres.roles import plan_role

ROLE, SECRET = "replicator", "replication"
_PATIENCE = 4.0
"""Seconds: the subscriber of the tests starts a worker again within half a second."""
TABLES = """
CREATE TABLE t (id integer PRIMARY KEY, v text);
CREATE TABLE u (id integer PRIMARY KEY, v text);
CREATE TABLE items (t_id integer REFERENCES t, line integer, PRIMARY KEY (t_id, line));
"""
ROWS = """
INSERT INTO t SELECT n, 'row ' || n FROM generate_series(1, 20) AS n;
INSERT INTO u SELECT n, 'row ' || n FROM generate_series(1, 20) AS n;
INSERT INTO items SELECT n, 1 FROM generate_series(1, 20) AS n;
"""


@dataclass
class Stage:
    """Two servers; each test replicates its own database."""

    kubeconfig: str
    cluster: Cluster
    publisher: Server
    subscriber: Server
    origin: Source

    def planning(self) -> Stage:
        """Give the same servers in a plan-only run."""
        cluster = connect(self.kubeconfig, "", self.cluster.namespace, dry_run=True)
        return open_servers(self.kubeconfig, cluster)

    def replicated(self, database: str, desired: Any = "all", **options: Any) -> DatabaseSpec:
        """Create a database with the tables above, replicated, its initial copy finished."""
        for server in (self.publisher, self.subscriber):
            server.execute(f'CREATE DATABASE "{database}"')
            server.execute(TABLES, database=database)
        self.publisher.execute(ROWS, database=database)
        spec = DatabaseSpec.of(database, desired)
        carry_out(plan_markers(self.publisher, self.subscriber, [spec]))
        carry_out(plan_publications(self.publisher, [spec]))
        carry_out(plan_subscriptions(self.publisher, self.subscriber, [spec], self.origin, options=options))
        self.wait_ready(spec)
        return spec

    def diagnose(self, *specs: DatabaseSpec, show_rows: bool = True) -> Diagnosis:
        return diagnose_logical(
            self.publisher, self.subscriber, specs, patience=_PATIENCE, show_rows=show_rows
        )

    def find(self, spec: DatabaseSpec, kind: str, patience: float = 30.0) -> Any:
        """Wait for the finding of that kind."""
        found = wait_until(
            f"{kind} to be found", lambda: self.diagnose(spec), lambda d: kind in d.kinds, timeout=patience
        )
        return found.find(kind)

    def remedy(self, spec: DatabaseSpec, remedy: str, table: str = "", database: str = "") -> Change:
        diagnosis = self.diagnose(spec)
        choice = RemedyChoice(remedy, database or spec.database, table)
        return plan_remedy(self.publisher, self.subscriber, [spec], diagnosis, self.origin, choice)

    def spec(self, database: str) -> DatabaseSpec:
        return DatabaseSpec.of(database)

    def existing(self, database: str) -> DatabaseSpec:
        """Return a replicated database that several tests share."""
        known = [row["datname"] for row in self.publisher.query("SELECT datname FROM pg_database")]
        return DatabaseSpec.of(database) if database in known else self.replicated(database)

    def lose_slot(self, spec: DatabaseSpec, how: str) -> None:
        """Drop the slot of a disabled subscription, or remove the WAL that it retains."""
        active = "SELECT active FROM pg_replication_slots WHERE slot_name = %s"
        wait_until("the slot is free", lambda: not self.publisher.scalar(active, [spec.slot]), timeout=60)
        if how == "dropped":
            self.publisher.execute("SELECT pg_drop_replication_slot(%s)", [spec.slot])
            return
        self.publisher.execute("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'")
        self.publisher.execute("SELECT pg_reload_conf()")
        status = "SELECT wal_status FROM pg_replication_slots WHERE slot_name = %s"

        def lost() -> bool:
            self.publisher.execute("SELECT pg_switch_wal() FROM pg_logical_emit_message(false, 'x', 'y')")
            self.publisher.execute("CHECKPOINT")
            return bool(self.publisher.scalar(status, [spec.slot]) == "lost")

        wait_until("the slot is lost", lost, timeout=60)
        self.publisher.execute("ALTER SYSTEM RESET max_slot_wal_keep_size")
        self.publisher.execute("SELECT pg_reload_conf()")

    def stream_at_once(self, spec: DatabaseSpec) -> None:
        """Let the publisher send an open transaction at once, as it does with a large one."""
        self.publisher.execute(
            f'ALTER DATABASE "{spec.database}" SET debug_logical_replication_streaming = immediate'
        )
        pid = "SELECT active_pid FROM pg_replication_slots WHERE slot_name = %s"
        before = wait_until("the walsender", lambda: self.publisher.scalar(pid, [spec.slot]), timeout=60)
        self.publisher.query("SELECT pg_terminate_backend(%s)", [before])
        wait_until(
            "a new walsender",
            lambda: self.publisher.scalar(pid, [spec.slot]),
            lambda now: now not in (None, before),
            timeout=60,
        )

    @contextmanager
    def refusing_role(self, spec: DatabaseSpec) -> Iterator[None]:
        """Change the role's password and end its sessions."""
        verifier = self.publisher.scalar("SELECT rolpassword FROM pg_authid WHERE rolname = %s", [ROLE])
        self.publisher.execute(f"ALTER ROLE {ROLE} PASSWORD 'another'")
        ended = "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = %s"
        self.publisher.query(ended, [spec.slot])
        try:
            yield
        finally:
            self.publisher.execute(f"ALTER ROLE {ROLE} PASSWORD '{verifier}'")

    def rows(self, server: Server, spec: DatabaseSpec, table: str) -> list[dict[str, Any]]:
        return list(server.query(f"SELECT * FROM {table} ORDER BY 1", database=spec.database))

    def same(self, spec: DatabaseSpec, table: str) -> bool:
        """Return whether both servers hold the same rows, once everything written so far is applied."""
        self.wait_applied(spec)
        return self.rows(self.publisher, spec, table) == self.rows(self.subscriber, spec, table)

    def wait_ready(self, spec: DatabaseSpec) -> None:
        states = "SELECT string_agg(srsubstate::text, '') FROM pg_subscription_rel"
        wait_until(
            f"the copy of {spec.database}",
            lambda: self.subscriber.scalar(states, database=spec.database),
            lambda found: bool(found) and set(found) == {"r"},
            timeout=60,
        )

    def wait_applied(self, spec: DatabaseSpec) -> None:
        lsn = marker(self.publisher)
        statement = "SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = %s"
        wait_until(
            f"{spec.slot} to confirm {lsn}",
            lambda: self.publisher.scalar(statement, [spec.slot]),
            lambda found: lsn_bytes(found) >= lsn_bytes(lsn),
            timeout=60,
        )

    def close(self) -> None:
        self.publisher.close()
        self.subscriber.close()
        self.cluster.close()


def carry_out(change: Change, **confirmations: Any) -> Any:
    """Gate and apply, as a cell does."""
    gate(change, **confirmations)
    return change.apply()


def open_servers(kubeconfig: str, cluster: Cluster) -> Stage:
    """Open the stage of running servers and an existing role."""
    found = [
        find_server(cluster, f"app={name}", password=f"secret:{name}/password")
        for name in ("postgres-primary", "postgres-subscriber")
    ]
    origin = replication_source(found[0], role=ROLE, secret=SECRET)
    return Stage(kubeconfig, cluster, found[0], found[1], origin)


def start_stage(kubeconfig: str, namespace: str, start_postgres: Callable[..., Any], *args: str) -> Stage:
    """Start a publisher with wal_level = logical and a subscriber; `args` are the subscriber's."""
    start_postgres(
        namespace,
        "postgres-primary",
        args=("-c", "wal_level=logical", "-c", "max_wal_senders=60", "-c", "max_replication_slots=60"),
    )
    start_postgres(namespace, "postgres-subscriber", args=args)
    stage = open_servers(kubeconfig, connect(kubeconfig, "", namespace, dry_run=False))
    carry_out(plan_role(stage.publisher, ROLE, SECRET))
    stage.publisher.execute(f"GRANT pg_read_all_data TO {ROLE}")
    carry_out(plan_hba(stage.publisher, [HbaRule("host", "all", ROLE, "10.0.0.0/8")]))
    return stage
