"""Findings about what a server is: primary or standby, of which database cluster, on which timeline."""

from __future__ import annotations

from collections.abc import Iterator

from pgnb.core.findings import Finding
from pgnb.diagnosis.physical.log_messages import lines_about
from pgnb.diagnosis.physical.observation import Evidence, ServerObservation

_BASE_BACKUP = (
    "Take a base backup of this primary (03); it asks for wipe_standby_data before it replaces unknown data."
)


def history_findings(evidence: Evidence) -> Iterator[Finding]:
    """Report unfinished role changes, then wrong roles, system identifiers and timelines."""
    for change in evidence.changes:
        yield Finding(
            "role-change",
            change.workload,
            "A role change did not finish, or another run is changing roles now.",
            (change.summary,),
            change.remedy,
        )
    primary = evidence.primary
    if primary is None or not primary.reachable:
        return
    if primary.facts.in_recovery:
        yield Finding(
            "no-primary",
            primary.name,
            "The server expected as primary is a standby: it was fenced or switched over, or the selector"
            " is wrong.",
            ("pg_is_in_recovery() is true",),
            "Find the current primary (00). For a failover see 09.",
        )
    for standby in evidence.standbys:
        if standby.reachable:
            yield from history_of(standby, primary)


def history_of(standby: ServerObservation, primary: ServerObservation) -> Iterator[Finding]:
    """Report what permanently prevents a standby from following this primary."""
    ours, theirs = primary.facts, standby.facts
    if ours.system_identifier and theirs.system_identifier not in ("", ours.system_identifier):
        yield _other_system(standby, primary)
    elif not theirs.in_recovery:
        yield _split_brain(standby, primary)
    elif theirs.timeline != ours.timeline and not standby.streaming:
        yield _other_timeline(standby, primary)


def _other_system(standby: ServerObservation, primary: ServerObservation) -> Finding:
    alone = "" if standby.facts.in_recovery else ", and it is not a standby"
    return Finding(
        "other-system",
        standby.name,
        f"Its data directory was created by another initdb{alone}: it can never follow this primary.",
        (
            f"pg_control_system(): {standby.facts.system_identifier}, the primary's is"
            f" {primary.facts.system_identifier}",
            *lines_about(standby.log, "other-system", limit=1),
        ),
        _BASE_BACKUP,
    )


def _split_brain(standby: ServerObservation, primary: ServerObservation) -> Finding:
    both = "" if primary.facts.in_recovery else " Both servers accept writes now, and their data diverge."
    return Finding(
        "split-brain",
        standby.name,
        f"It was promoted, or started without standby.signal.{both}",
        (
            f"pg_is_in_recovery() is false on {standby.name}, timeline {standby.facts.timeline}",
            f"{primary.name} is {primary.facts.role}, timeline {primary.facts.timeline}",
        ),
        "Decide which one remains the primary; fence the other at once (kubectl scale --replicas=0), then"
        " rejoin it (09).",
    )


def _other_timeline(standby: ServerObservation, primary: ServerObservation) -> Finding:
    ahead = standby.facts.timeline > primary.facts.timeline
    cause = (
        "It was promoted once, and now follows a primary without that timeline."
        if ahead
        else "The timelines diverged before the position that the standby has replayed."
    )
    return Finding(
        "other-timeline",
        standby.name,
        cause,
        (
            f"timeline {standby.facts.timeline}, the primary's is {primary.facts.timeline}",
            *lines_about(standby.log, "other-timeline", limit=1),
        ),
        "Rejoin it (09): by pg_rewind if possible, else by a new base backup.",
    )
