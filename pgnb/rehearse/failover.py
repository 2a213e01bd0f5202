"""Section 9 practised: switchover, crash and failover, rejoin, with a client that keeps writing."""

from __future__ import annotations

import click

from pgnb.cluster import connect
from pgnb.rehearse.stage import NAMESPACE, PRIMARY, STANDBY, Stage

LONGEST_GAP_SWITCHOVER = 10.0
LONGEST_GAP_FAILOVER = 60.0
"""Seconds; in a failover most of them pass until somebody begins it."""
_SETTINGS = {"wal_log_hints": "on", "wal_keep_size": "1GB", "max_slot_wal_keep_size": "10GB"}
_FIRST = {"primary": "postgres-primary", "standby_selector": STANDBY}
_EXCHANGED = {"primary": "postgres-async-replica", "standby_selector": PRIMARY}


def practise_failover(stage: Stage) -> bool:
    """Both ways of changing roles, and the way back; False at the first that did not go as it should."""
    return _set_up(stage) and _switch_over(stage) and _fail_over(stage)


def _set_up(stage: Stage) -> bool:
    """A pair whose old primary can be rewound: wal_log_hints takes the one restart beforehand."""
    return stage.run("02", settings=_SETTINGS, allow_restart=True) and stage.run("03")


def _switch_over(stage: Stage) -> bool:
    click.echo("planned switchover")
    passed = stage.run("09", path="switchover", allow_promotion=True, **_FIRST)
    return passed and stage.conclude(LONGEST_GAP_SWITCHOVER, writable=STANDBY, others=[PRIMARY])


def _fail_over(stage: Stage) -> bool:
    click.echo("the primary crashes")
    _crash(stage)
    wishes = {"allow_promotion": True, "accept_loss": True}
    passed = stage.run("09", path="failover", **wishes, **_EXCHANGED)
    passed = passed and stage.run(
        "09", path="rejoin", discard_diverged="postgres-async-replica", **_EXCHANGED
    )
    kept = stage.conclude(LONGEST_GAP_FAILOVER, others=[STANDBY] if passed else [], may_lose=True)
    return passed and kept


def _crash(stage: Stage) -> None:
    """End the primary's processes at once, without a shutdown checkpoint (postgres(1): SIGQUIT)."""
    running = stage.running
    cluster = connect(str(running.kubeconfig), running.context, NAMESPACE, dry_run=False)
    try:
        argv = ["sh", "-c", "kill -QUIT 1"]
        cluster.exec(cluster.pod(STANDBY), argv, check=False, changes="SIGQUIT to PostgreSQL: a crash")
    finally:
        cluster.close()
