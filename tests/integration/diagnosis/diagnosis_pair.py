"""A primary and its standby, the ways to break them, and what a diagnosis finds then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import Thread
from typing import Any

from pgnb.cluster import Cluster, HelperPod
from pgnb.core.plan import Change, gate
from pgnb.core.wait import wait_until
from pgnb.diagnosis.physical import (
    Diagnosis,
    Evidence,
    ExpectedReplication,
    Finding,
    collect_evidence,
    diagnose,
)
from pgnb.physical import (
    StandbySpec,
    plan_base_backup,
    plan_slot,
    plan_standby_config,
    plan_standby_workload,
    replication_source,
    slots,
)
from pgnb.postgres import HbaRule, Server, ServerAccess, compose, identifier
from pgnb.postgres.config.hba import plan_hba
from pgnb.postgres.config.restart import plan_restart
from pgnb.postgres.progress import marker, wait_replayed
from pgnb.postgres.roles import plan_role

ROLE, SECRET, SLOT, NAME = "replicator", "replication", "replica_slot", "standby"
SPEC = StandbySpec(NAME, SLOT, NAME, config_map=f"{NAME}-config")
PASSWORD = "secret:primary/password"
STREAMING = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"


def carry_out(change: Change, **confirmations: object) -> None:
    """Gate and apply, as a cell does."""
    gate(change, **confirmations)
    change.apply()


@dataclass
class DiagnosisPair:
    """The pair; `reopen` finds `standby` again after its pod was replaced."""

    cluster: Cluster
    primary: Server
    standby: Server

    def evidence(self, **options: Any) -> Evidence:
        """Collect its evidence, with what the notebook's parameters expect."""
        selector = options.pop("standby_selector", f"app={NAME}")
        primary = options.pop("primary_selector", "app=primary")
        expected = replace(ExpectedReplication(SLOT, NAME, ROLE, SECRET, min_free=0.1), **options)
        return collect_evidence(self.cluster, primary, selector, ServerAccess(password=PASSWORD), expected)

    def look(self, **options: Any) -> Diagnosis:
        """Diagnose it now."""
        return diagnose(self.evidence(**options))

    def found(self, *kinds: str, **options: Any) -> Finding:
        """Wait until exactly these kinds are found; return the finding of the first."""
        seen = wait_until(
            f"{', '.join(kinds) or 'nothing'} to be found",
            lambda: self.look(**options),
            lambda diagnosis: diagnosis.kinds == set(kinds),
            timeout=60,
            every=0.2,
        )
        finding = seen.find(kinds[0])
        assert finding is not None
        assert finding.cause
        assert all(finding.evidence)
        assert finding.remedy
        assert finding.title in str(seen.map)
        assert finding.cause in str(seen)
        assert not seen.checks(self.cluster.journal).ok or finding.severity == "advice"
        return finding

    def healthy(self) -> None:
        """Wait until nothing is found."""
        wait_until(
            "a healthy pair", self.look, lambda diagnosis: not diagnosis.findings, timeout=60, every=0.2
        )

    def cut(self) -> None:
        """End the stream; the standby reconnects at once, if it can."""
        self.primary.query("SELECT pg_terminate_backend(pid) FROM pg_stat_replication")

    def cut_off(self) -> None:
        """Cut until something is found: an attempt accepted before may begin to stream after a cut."""
        wait_until("the stream's end", lambda: (self.cut(), self.look().kinds)[1], timeout=60)

    @contextmanager
    def without_stream(self) -> Iterator[None]:
        """Give the standby no source, and free its slot."""
        with altered(self.standby, "primary_conninfo", ""):
            receivers = "SELECT count(*) FROM pg_stat_wal_receiver"
            wait_until("no receiver", lambda: self.standby.scalar(receivers), lambda n: n == 0, timeout=60)
            wait_until(
                "the slot to be free",
                lambda: slots(self.primary).find(SLOT),
                lambda slot: slot is None or not slot.active,
                timeout=60,
            )
            yield

    def restart_standby(self) -> None:
        """Replace its pod."""
        carry_out(plan_restart(self.standby, reason="a test"), allow_restart=True)
        self.standby.reopen()

    def rebuild(self) -> None:
        """Take a new base backup onto the standby's volume, whatever it has; create its slot again."""
        if (slot := slots(self.primary).find(SLOT)) is not None and slot.lost:
            self.primary.query("SELECT pg_drop_replication_slot(%s)", (SLOT,))
        carry_out(plan_slot(self.primary, SLOT))
        wipe = f"{NAME}-data"
        self.standby.close()
        backup = plan_base_backup(
            self.primary,
            SPEC,
            replication_source(self.primary, role=ROLE, secret=SECRET),
            wipe_standby_data=wipe,
        )
        carry_out(backup, wipe_standby_data=wipe)
        self.standby.reopen()
        self.standby.refresh()
        quick(self.standby)

    def write(self, server: Server, path: str, program: str) -> None:
        """Edit a server's file by sed, as an operator by hand."""
        self.cluster.exec(server.pod, ["sed", "-i", program, path], changes=f"edit {path}")

    def switch_wal(self, times: int) -> None:
        """Write some segments of WAL, then a checkpoint, which removes what nothing retains."""
        for _ in range(times):
            self.primary.execute("SELECT pg_switch_wal()")
            marker(self.primary)
        self.primary.execute("CHECKPOINT")

    @contextmanager
    def consumers(self, script: str) -> Iterator[None]:
        """Start another pod that receives WAL: its script runs pg_receivewal as often as it says."""
        spec = HelperPod(
            "other-consumer",
            self.primary.pod.image,
            (),
            uid=999,
            gid=999,
            secret_env={"PGPASSWORD": (SECRET, "password")},
        )
        argv = ["sh", "-c", script]
        wanted = script.count("-S") or 10
        with self.cluster.helper(spec) as helper:
            thread = Thread(target=_run, args=(lambda: helper.exec(argv, timeout=60, check=False),))
            thread.start()
            wait_until(
                "its consumers",
                lambda: self.primary.scalar(STREAMING),
                lambda count: count == wanted,
                timeout=60,
            )
            yield
        thread.join()


def _run(act: Callable[[], object]) -> None:
    try:
        act()
    except Exception as error:
        # It ends when its pod is deleted.
        assert "pod" in str(error)


@contextmanager
def altered(server: Server, setting: str, value: str) -> Iterator[None]:
    """ALTER SYSTEM and a reload; afterwards restore the previous value of postgresql.auto.conf."""
    rows = server.query(
        "SELECT setting FROM pg_file_settings WHERE name = %s AND sourcefile LIKE '%%auto.conf'", (setting,)
    )
    set_system(server, setting, value)
    try:
        yield
    finally:
        set_system(server, setting, rows[-1]["setting"] if rows else None)


def set_system(server: Server, setting: str, value: str | None) -> None:
    """ALTER SYSTEM SET or RESET, then a reload."""
    if value is None:
        server.execute(compose("ALTER SYSTEM RESET {}", identifier(setting)))
    else:
        server.execute(compose("ALTER SYSTEM SET {} = {}", identifier(setting), value))
    server.execute("SELECT pg_reload_conf()")


def quick(standby: Server) -> None:
    """Let a receiver retry at once instead of every five seconds."""
    set_system(standby, "wal_retrieve_retry_interval", "100ms")


def make_standby(primary: Server) -> None:
    """Run sections 2.1 to 3.3 for a standby of the name `NAME`."""
    carry_out(plan_role(primary, ROLE, SECRET))
    carry_out(plan_hba(primary, [HbaRule("host", "replication", ROLE, "10.0.0.0/8")]))
    source = replication_source(primary, role=ROLE, secret=SECRET)
    carry_out(plan_slot(primary, SLOT))
    carry_out(plan_standby_config(primary, f"{NAME}-config"))
    carry_out(plan_standby_workload(primary, SPEC, source))
    carry_out(plan_base_backup(primary, SPEC, source))


def caught_up(pair: DiagnosisPair) -> None:
    """Wait until the standby has replayed everything."""
    wait_replayed(pair.standby, marker(pair.primary), 60)
