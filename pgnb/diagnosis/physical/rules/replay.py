"""Findings about replay: paused because of a setting that is too low, or by a person."""

from __future__ import annotations

from collections.abc import Iterator

from pgnb.core.findings import Finding
from pgnb.diagnosis.physical.log_messages import lines_about
from pgnb.diagnosis.physical.observation import Evidence, ServerObservation
from pgnb.physical.sizing import STANDBY_LIMITS


def replay_findings(evidence: Evidence) -> Iterator[Finding]:
    """Report settings below the primary's, then a pause that they do not explain."""
    primary = evidence.primary
    for standby in evidence.standbys:
        if not (standby.reachable and standby.facts.in_recovery):
            continue
        low = _low(standby, primary) if primary is not None else ()
        if low:
            yield _too_low(standby, low)
        elif standby.receiver is not None and standby.receiver.paused:
            yield _paused(standby)


def _low(standby: ServerObservation, primary: ServerObservation) -> tuple[str, ...]:
    return tuple(
        f"{name} = {standby.five[name]}, the primary has {primary.five[name]}"
        for name in STANDBY_LIMITS
        if name in primary.five and standby.five.get(name, primary.five[name]) < primary.five[name]
    )


def _too_low(standby: ServerObservation, low: tuple[str, ...]) -> Finding:
    receiver = standby.receiver
    paused = receiver is not None and receiver.paused
    now = (
        "Replay has stopped because of it"
        if paused
        else "Replay will stop as soon as the primary's value arrives"
    )
    return Finding(
        "setting-too-low",
        standby.name,
        f"{now}, and the standby's next start with it fails until the setting is raised.",
        (*low, *lines_about(standby.log, "setting-too-low", limit=1)),
        "Raise it in the standby's configuration and restart the standby (06, section 6.2). Raise the"
        " standby first; lower the primary first.",
    )


def _paused(standby: ServerObservation) -> Finding:
    receiver = standby.receiver
    assert receiver is not None
    behind = receiver.unreplayed_bytes or 0
    return Finding(
        "replay-paused",
        standby.name,
        "Somebody paused it (pg_wal_replay_pause, or recovery_target_action = pause).",
        (
            f"pg_get_wal_replay_pause_state(): {receiver.pause_state}",
            f"replayed {receiver.replayed_lsn}, {behind:,} bytes received and not replayed",
        ),
        "SELECT pg_wal_replay_resume() on the standby, when the pause is no longer needed.",
    )
