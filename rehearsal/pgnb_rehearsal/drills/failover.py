"""The drill of section 9: switchover, crash and failover, rejoin, while a client keeps writing."""

from __future__ import annotations

import click

from pgnb_rehearsal.drills.guarantee import Loss
from pgnb_rehearsal.drills.stage import PRIMARY, STANDBY, Stage

_SETTINGS = {"wal_log_hints": "on", "wal_keep_size": "512MB", "max_slot_wal_keep_size": "1GB"}
_FIRST = {"primary": "postgres-primary", "standby_selector": STANDBY}
_EXCHANGED = {"primary": "postgres-async-replica", "standby_selector": PRIMARY}


def practise_failover(stage: Stage) -> bool:
    """Practise both changes of roles and a rejoin; return False at the first step that failed."""
    return _set_up(stage) and _switch_over(stage) and _fail_over(stage)


def _set_up(stage: Stage) -> bool:
    """Make a pair whose old primary can be rewound; wal_log_hints needs the one restart beforehand."""
    return stage.run("02", settings=_SETTINGS, allow_restart=True) and stage.run("03")


def _switch_over(stage: Stage) -> bool:
    click.echo("planned switchover")
    passed = stage.run("09", operation="switchover", allow_promotion=True, **_FIRST)
    return passed and stage.conclude(writable=STANDBY, others=[PRIMARY])


def _fail_over(stage: Stage) -> bool:
    click.echo("the primary crashes")
    _crash(stage)
    allowed = {
        "allow_promotion": True,
        "accept_loss": True,
        "fence_answering_primary": "postgres-async-replica",  # Its container is restarted at once.
    }
    passed = stage.run("09", operation="failover", **allowed, **_EXCHANGED)
    loss = _announced(stage)
    passed = passed and stage.run(
        "09", operation="rejoin", allow_rejoin=True, discard_diverged="postgres-async-replica", **_EXCHANGED
    )
    kept = stage.conclude(others=[STANDBY] if passed else [], loss=loss)
    return passed and kept


def _announced(stage: Stage) -> Loss:
    """Return the loss that the failover's record announces; one without a number is unlimited."""
    most = stage.archive.all()[-1].facts.get("loss_commits")
    return Loss(most if isinstance(most, int) else None)


def _crash(stage: Stage) -> None:
    """End the primary's processes at once, without a shutdown checkpoint (postgres(1): SIGQUIT)."""
    crash = "SIGQUIT to PostgreSQL: a crash"
    with stage.cluster(acting=True) as cluster, stage.journal.act("the rehearsal", crash):
        cluster.exec(cluster.pod(STANDBY), ["sh", "-c", "kill -QUIT 1"], check=False, changes=crash)
