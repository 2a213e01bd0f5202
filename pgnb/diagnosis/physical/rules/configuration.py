"""Findings about configuration: broken lines, pending restarts, an application_name that is not in force."""

from __future__ import annotations

from collections.abc import Iterator

from pgnb.core.findings import Finding
from pgnb.diagnosis.physical.log_messages import lines_about
from pgnb.diagnosis.physical.observation import Evidence, ServerObservation

_FALLBACK = "walreceiver"


def configuration_findings(evidence: Evidence) -> Iterator[Finding]:
    """Report broken lines of each server's files, pending restarts, and each standby's application_name."""
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
            "One invalid line makes every reload fail completely, and prevents the next start.",
            (*one.broken_settings, *lines_about(one.log, "broken-configuration", limit=1)),
            "Correct or remove that line; 02 (section 2.2) and 06 validate before they reload. To see it:"
            " SELECT * FROM pg_file_settings WHERE error IS NOT NULL",
        )
    if one.broken_rules:
        yield Finding(
            "broken-hba",
            one.name,
            "Because of one invalid line, no change of pg_hba.conf takes effect, and the next start fails.",
            (*one.broken_rules, *lines_about(one.log, "broken-hba", limit=1)),
            "Correct or remove that line (02, section 2.2). To see it: SELECT * FROM pg_hba_file_rules"
            " WHERE error IS NOT NULL",
        )


def _pending(one: ServerObservation, names: tuple[str, ...]) -> Finding:
    return Finding(
        "pending-restart",
        one.name,
        "The files have values that take effect only at the next start of the server.",
        (f"pg_settings.pending_restart: {', '.join(names)}",),
        "Restart it: 02 with allow_restart = true (the primary), 06 (section 6.2, the standby).",
    )


def _name(evidence: Evidence, standby: ServerObservation) -> Iterator[Finding]:
    """Compare the name under which the primary knows a standby with the expected one."""
    sender = evidence.sender_to(standby)
    if sender is None or sender.application_name is None:
        return
    stands = [name for _, name in standby.conninfo_sources if name]
    wanted = (evidence.expected.application_name if len(evidence.standbys) == 1 else "") or (stands or [""])[
        0
    ]
    known = sender.application_name
    if not wanted or known == wanted:
        return
    places = tuple(
        f"{place}: application_name {name or 'not set'}" for place, name in standby.conninfo_sources
    )
    fallback = f" {known!r} is the default name of a receiver." if known == _FALLBACK else ""
    yield Finding(
        "application-name",
        standby.name,
        "The primary_conninfo in force has another name; the last file wins"
        f" (postgresql.auto.conf).{fallback}",
        (f"pg_stat_replication: application_name {known!r}, expected {wanted!r}", *places),
        "ALTER SYSTEM SET primary_conninfo on the standby, with application_name in it, then a reload (06,"
        " section 6.2).",
    )
