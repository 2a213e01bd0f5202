"""Findings about configuration: broken lines, what waits for a restart, a name that is not in force."""

from __future__ import annotations

from collections.abc import Iterator

from pgnb.core.findings import Finding
from pgnb.diagnosis.physical.log_messages import lines_about
from pgnb.diagnosis.physical.observation import Evidence, ServerObservation

_FALLBACK = "walreceiver"


def configuration_findings(evidence: Evidence) -> Iterator[Finding]:
    """Each server's files as the server itself reads them, and each standby's name."""
    for one in evidence.observed:
        yield from _files(one)
        if one.condition is not None and one.condition.pending:
            yield _pending(one, one.condition.pending)
    for standby in evidence.standbys:
        yield from _name(evidence, standby)


def _files(one: ServerObservation) -> Iterator[Finding]:
    if one.broken_settings:
        yield Finding(
            "broken-configuration",
            one.name,
            "One bad line makes every reload fail as a whole, and the next start FATAL.",
            (*one.broken_settings, *lines_about(one.log, "broken-configuration", limit=1)),
            "Correct or remove that line; 02 (section 2.2) and 06 validate before they reload. See it again"
            " by: SELECT * FROM pg_file_settings WHERE error IS NOT NULL",
        )
    if one.broken_rules:
        yield Finding(
            "broken-hba",
            one.name,
            "One bad line keeps every rule of pg_hba.conf as it was, and makes the next start FATAL.",
            (*one.broken_rules, *lines_about(one.log, "broken-hba", limit=1)),
            "Correct or remove that line (02, section 2.2). See it again by: SELECT * FROM"
            " pg_hba_file_rules WHERE error IS NOT NULL",
        )


def _pending(one: ServerObservation, names: tuple[str, ...]) -> Finding:
    return Finding(
        "pending-restart",
        one.name,
        "The files have values that only a start of the server reads.",
        (f"pg_settings.pending_restart: {', '.join(names)}",),
        "A planned restart: 02 with allow_restart = true (the primary), 06 (section 6.2, the standby).",
    )


def _name(evidence: Evidence, standby: ServerObservation) -> Iterator[Finding]:
    """The name under which the primary knows a standby, held against the wish, or what some file says."""
    sender = evidence.sender_to(standby)
    if sender is None or sender.application_name is None:
        return
    stands = [name for _, name in standby.conninfo_sources if name]
    wished = (evidence.expected.application_name if len(evidence.standbys) == 1 else "") or (stands or [""])[
        0
    ]
    known = sender.application_name
    if not wished or known == wished:
        return
    places = tuple(
        f"{place}: application_name {name or 'not set'}" for place, name in standby.conninfo_sources
    )
    fallback = (
        f" {known!r} is what a receiver is called that was given no name." if known == _FALLBACK else ""
    )
    yield Finding(
        "application-name",
        standby.name,
        f"The primary_conninfo in force says otherwise; the last file wins (postgresql.auto.conf).{fallback}",
        (f"pg_stat_replication: application_name {known!r}, wished {wished!r}", *places),
        "ALTER SYSTEM SET primary_conninfo on the standby, with application_name in it, then a reload (06,"
        " section 6.2).",
    )
