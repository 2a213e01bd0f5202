"""Section 1 as checks: can a standby be made from this server, and in this place?

Facts 3, 4, 6, 16, 62-64 and 68. Requirements stop; the rest is advice. Nothing is changed.
"""

from __future__ import annotations

from collections.abc import Iterable
from time import monotonic

from pgnb.cluster.operators import operator_of
from pgnb.core.checks import Check, Checks
from pgnb.core.display import format_bytes, format_duration
from pgnb.postgres.disk import missing_tools, space_of, wal_directory
from pgnb.postgres.facts import NEWEST, OLDEST
from pgnb.postgres.rows import Row
from pgnb.postgres.server import Server

WAL_RESERVE = 1024**3
"""Bytes that must be free for WAL that a slot retains while a standby is made."""
REINDEX = "REINDEX what depends on text, then ALTER DATABASE … REFRESH COLLATION VERSION."
"""The remedy if a database records another collation version than the libraries have."""
TOOLS = ("pg_basebackup", "pg_verifybackup", "psql")
_LONG = 300.0
_SETTINGS = (
    "archive_mode",
    "synchronous_standby_names",
    "wal_log_hints",
    "full_page_writes",
    "fsync",
    "ssl",
)


def preflight(server: Server, *, wal_reserve: int = WAL_RESERVE) -> Checks:
    """Return the checks of section 1 on a primary; `wal_reserve` in bytes.

    Raises QueryFailed, ExecFailed, AccessDenied for what could not be read.
    """
    title = f"Can a standby be made from {server.name}?"
    if not server.present:
        items = [Check("server", False, server.route.state(), "a Ready pod", "Set its label selector.")]
        return Checks.of(title, items, server.journal)
    row = server.fetch_one("preflight")
    items = [*_identity(server, row), *_content(row), *_activity(row), *_protection(server, row)]
    items += [*_place(server), *_outside(server, row), *_disk(server, wal_reserve), _tools(server)]
    return Checks.of(title, items, server.journal)


def _identity(server: Server, row: Row) -> Iterable[Check]:
    facts, started = server.facts, monotonic()
    server.scalar("SELECT 1")
    took = format_duration(monotonic() - started)
    yield Check.fact("SQL over TCP", f"answers in {took}")
    yield Check(
        "version",
        OLDEST <= facts.major <= NEWEST,
        facts.version_text,
        f"{OLDEST} to {NEWEST}",
        "The runbooks support these versions only.",
    )
    yield Check("build", True, row["build"], "the standby's image must be the same", informs=True)
    yield Check(
        "role", not facts.in_recovery, facts.role, "primary", "Set the primary: a standby is made from it."
    )
    yield Check(
        "system identifier",
        bool(facts.system_identifier),
        facts.system_identifier or "not readable",
        "readable",
        "Without it a wrong server can't be recognised: connect as a superuser.",
    )
    login = facts.login if facts.superuser else f"{facts.login}, no superuser"
    yield Check(
        "login",
        facts.superuser,
        login,
        "a superuser",
        "Files, verifiers and ALTER SYSTEM may not be accessible.",
        advice=True,
    )


def _content(row: Row) -> Iterable[Check]:
    yield Check.fact("databases", f"{row['databases']}, {format_bytes(row['total_size'])}")
    wrong = ", ".join(row["collation_mismatches"])
    yield Check(
        "collation versions",
        not wrong,
        wrong or "as recorded",
        "as recorded",
        f"The image's libc or ICU differs from the one that built the indexes: {REINDEX}",
        advice=True,
    )


def _activity(row: Row) -> Iterable[Check]:
    longest = float(row["longest_transaction"])
    limit = f"below {format_duration(_LONG)}"
    yield Check(
        "longest transaction",
        longest < _LONG,
        format_duration(longest),
        limit,
        "It holds back vacuum, and a restart would roll it back.",
        advice=True,
    )
    prepared = ", ".join(row["prepared"])
    yield Check(
        "prepared transactions",
        not prepared,
        prepared or "none",
        "none",
        "Commit them, or roll them back.",
        advice=True,
    )
    yield Check.fact("streaming standbys", ", ".join(row["standbys"]) or "none")
    yield Check.fact("replication slots", ", ".join(row["slots"]) or "none")


def _protection(server: Server, row: Row) -> Iterable[Check]:
    value = {setting.name: setting.value for setting in server.settings(_SETTINGS)}
    names = value["synchronous_standby_names"]
    yield Check(
        "asynchronous",
        not names,
        names or "no synchronous standby",
        "no synchronous standby",
        "Commits wait for the standbys in synchronous_standby_names.",
        advice=True,
    )
    rewind = (server.facts.checksums or value["wal_log_hints"] == "on") and value["full_page_writes"] == "on"
    found = "yes" if rewind else "no checksums, no wal_log_hints"
    yield Check(
        "pg_rewind possible later",
        rewind,
        found,
        "yes",
        "Set wal_log_hints = on at the next restart; otherwise an old primary can rejoin"
        " only by a new base backup.",
        advice=True,
    )
    yield Check(
        "fsync", value["fsync"] == "on", value["fsync"], "on", "A crash can lose all data.", advice=True
    )
    yield Check(
        "TLS",
        value["ssl"] == "on",
        value["ssl"],
        "on",
        "Replication will cross the network unencrypted. SCRAM protects the password from"
        " being read, not the connection from being changed.",
        advice=True,
    )
    if server.facts.superuser:
        yield _loopback(server)
    yield _archive(value["archive_mode"], row)


def _loopback(server: Server) -> Check:
    """Check whether a port-forward, which reaches the server from its own loopback, needs a password."""
    trusted = [
        f"line {rule['line_number']}: {rule['address']}"
        for rule in server.query("hba_rules")
        if rule["auth_method"] == "trust" and str(rule["type"]).startswith("host")
    ]
    return Check(
        "TCP connections need a password",
        not trusted,
        "; ".join(f"trust at {rule}" for rule in trusted) or "yes",
        "no trust in pg_hba.conf",
        "Anybody who reaches the server from there can log in as any user, and pgnb would"
        " not notice a wrong password over a port-forward. Use scram-sha-256 in pg_hba.conf.",
        advice=True,
    )


def _archive(mode: str, row: Row) -> Check:
    last = row["last_archived"]
    found = f"archive_mode {mode}" + (f", last at {last:%Y-%m-%d %H:%M} UTC" if last else "")
    if row["archive_failures"]:
        found += f", {row['archive_failures']} failures"
    works = mode != "off" and last is not None
    return Check(
        "a backup",
        works,
        found,
        "working WAL archiving",
        "A standby is not a backup: check that a backup exists before you continue.",
        advice=True,
    )


def _place(server: Server) -> Iterable[Check]:
    volume = server.cluster.volume(server.pod, server.facts.data_directory)
    workload = server.cluster.workload(server.pod)
    yield Check(
        "data outlives the pod",
        volume.persistent,
        str(volume),
        "a persistent volume",
        "Move the data to a PersistentVolumeClaim first: otherwise a restart loses it.",
    )
    yield Check(
        "workload",
        workload.scalable,
        workload.label,
        "a Deployment or StatefulSet",
        "pgnb restarts and scales only these.",
        advice=True,
    )
    if workload.scalable:
        yield Check(
            "replicas",
            workload.replicas == 1,
            workload.replicas,
            1,
            "Two servers must never share a data directory.",
        )
    safe = workload.kind == "StatefulSet" or workload.strategy == "Recreate"
    yield Check(
        "update strategy",
        safe,
        workload.strategy or "none",
        "Recreate, or a StatefulSet",
        "A rollout could start a second server on the same volume; restarts scale to 0 instead.",
        advice=True,
    )
    if in_charge := operator_of(server.pod):
        way = f"02 and later notebooks require accept_operator. {in_charge.operator.own_way}"
        yield Check("managed by an operator", False, in_charge.summary, "nobody else", way, advice=True)
    tools = ", ".join(workload.managed_by)
    yield Check(
        "managed by",
        not tools,
        tools or "nobody known",
        "nobody else",
        "It may undo changes: change its source instead.",
        advice=True,
    )


def _outside(server: Server, row: Row) -> Iterable[Check]:
    """Yield where tablespaces and pg_wal are, for which 03 gives its standbys claims."""
    paths: list[str] = row["tablespaces"]
    lost = [path for path in paths if not server.cluster.volume(server.pod, path).claim]
    without = f" On no claim: {', '.join(lost)}; 03 refuses them without a place." if lost else ""
    way = (
        "03 gives a standby a claim for each, at the same path; a standby that you made"
        " needs a claim mounted there, or another place given by tablespaces. An old primary"
        f" with such directories rejoins by a base backup, not by pg_rewind.{without}"
    )
    found = ", ".join(_at(server, path) for path in paths) or "none"
    yield Check("tablespaces", not paths, found, "none outside the data directory", way, advice=True)
    yield Check.fact("pg_wal", _at(server, wal_directory(server)))


def _at(server: Server, path: str) -> str:
    volume = server.cluster.volume(server.pod, path)
    return f"{path} on {volume}"


def _disk(server: Server, wal_reserve: int) -> Iterable[Check]:
    space = space_of(server, server.facts.data_directory)
    found = f"{format_bytes(space.free)} of {format_bytes(space.size)}"
    wanted = f"at least {format_bytes(wal_reserve)}"
    yield Check(
        "free on the data volume",
        space.free >= wal_reserve,
        found,
        wanted,
        "A slot retains WAL while a standby is being made or is away: enlarge the volume.",
    )


def _tools(server: Server) -> Check:
    missing = ", ".join(missing_tools(server, TOOLS))
    return Check(
        "tools in the image",
        not missing,
        f"missing: {missing}" if missing else ", ".join(TOOLS),
        ", ".join(TOOLS),
        "Use an image with PostgreSQL's client programs.",
    )
