"""Collect the evidence: pods, events, bounded logs, and every server that answers. Changes nothing.

Each item of a server is read separately, so that one failing query does not lose the others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from pgnb.cluster import Cluster, LogLine, Pod
from pgnb.core.errors import ClusterError, DeadlineExceeded, NotFound, PgnbError
from pgnb.diagnosis.physical.observation import (
    Condition,
    ConnectivityTest,
    Evidence,
    ExpectedReplication,
    Part,
    RoleObservation,
    ServerObservation,
)
from pgnb.physical import scripts, slots
from pgnb.physical.connectivity import ProbeResult, read_results
from pgnb.physical.sizing import standby_limits
from pgnb.physical.status import receiver, senders
from pgnb.postgres import Client, Server, ServerAccess, find_server
from pgnb.postgres.config.edits import file_errors
from pgnb.postgres.config.hba import errors_of, read_hba
from pgnb.postgres.conninfo import conninfo
from pgnb.postgres.disk import space_of
from pgnb.postgres.facts import assert_expected
from pgnb.postgres.logs import collected_log
from pgnb.postgres.roles import look_at_role
from pgnb.postgres.standbys import own_selector

_LOG_BYTES = 256 * 1024


def collect_evidence(
    cluster: Cluster,
    primary_selector: str,
    standby_selector: str,
    access: ServerAccess,
    expected: ExpectedReplication,
    *,
    log_lines: int = 200,
) -> Evidence:
    """Read the primary, every standby, and the connections between them.

    A failure to answer is evidence, too. `access` is the primary's; the standbys take the same login.
    `log_lines`: lines of each log that are read. Raises AccessDenied and ApiUnreachable if the cluster cannot
    be read, and WrongServer for a primary that answers and is not the expected one.
    """
    collector = _Collector(cluster, access, log_lines)
    primaries = collector.look("primary", primary_selector, access.container)
    for one in primaries:
        if one.server is not None:
            assert_expected(one.server.name, one.server.facts, access.expect)
    standbys = collector.look("standby", standby_selector)
    selectors: tuple[tuple[Part, str, Sequence[ServerObservation]], ...] = (
        ("primary", primary_selector, primaries),
        ("standby", standby_selector, standbys),
    )
    missing = tuple((part, selector) for part, selector, found in selectors if not found)
    place = f"{cluster.context or cluster.server_url}, namespace {cluster.namespace}"
    first = Evidence(
        place, expected, (*primaries, *standbys), missing=missing, changes=cluster.role_changes()
    )
    return _with_connections(cluster, first)


def _with_connections(cluster: Cluster, evidence: Evidence) -> Evidence:
    """Add what needs both servers: connection tests, the role, and the rule of pg_hba.conf that applies."""
    primary = evidence.primary
    observed = [
        replace(one, connectivity=try_connection(cluster, one))
        if one in evidence.standbys and not one.streaming
        else one
        for one in evidence.observed
    ]
    name = next((one.connectivity.role for one in observed if one.connectivity), "") or evidence.expected.role
    role = read_role(primary, name, evidence.expected.secret) if primary and name else None
    if primary and primary.server is not None:
        observed = [
            _with_deciding_rule(primary.server, one, name) if one.connectivity else one for one in observed
        ]
    return replace(evidence, observed=tuple(observed), role=role)


def _with_deciding_rule(primary: Server, standby: ServerObservation, role: str) -> ServerObservation:
    client = Client("", role, standby.pod.ip, replication=True, ssl=primary.facts.ssl)
    try:
        return replace(standby, hba=read_hba(primary, client))
    except PgnbError as error:
        words = f"rules of pg_hba.conf on {primary.name}: {error.message}"
        return replace(standby, read_errors=(*standby.read_errors, words))


class _Collector:
    """Read pods and their servers with one login."""

    def __init__(self, cluster: Cluster, access: ServerAccess, log_lines: int) -> None:
        self.cluster = cluster
        self.access = access
        self.log_lines = log_lines

    def look(self, part: Part, selector: str, container: str = "") -> list[ServerObservation]:
        """Return an observation of every pod of a selector that is not being deleted, and of its server."""
        pods = self.cluster.pods(selector, container)
        return [self._look_at(part, selector, pod, container) for pod in pods if not pod.deleting]

    def _look_at(self, part: Part, selector: str, pod: Pod, container: str) -> ServerObservation:
        observed = ServerObservation(part, pod, tuple(self._events(pod)), tuple(self._log(pod)))
        if not pod.ready:
            return replace(observed, connect_error=pod.not_ready_reason)
        try:
            own = own_selector(self.cluster, pod, selector)
            user, password = self.access.user, self.access.password
            server = find_server(self.cluster, own, container=container, user=user, password=password)
        except PgnbError as error:
            return replace(observed, connect_error=f"{error.message}: {error.found}".rstrip(": "))
        return read_server(replace(observed, server=server), server)

    def _events(self, pod: Pod) -> Iterator[str]:
        try:
            events = self.cluster.events(pod.uid)
        except ClusterError as error:
            yield f"events cannot be read: {error.message}"
            return
        for event in events:
            # A probe that failed at startup says nothing about a server that is Ready now.
            passed = pod.ready and event.get("reason") == "Unhealthy"
            if event.get("type") == "Warning" and not passed:
                yield f"event {event.get('reason', '')}: {event.get('message', '')}"

    def _log(self, pod: Pod) -> list[LogLine]:
        """Return the container's last lines; after a restart, first those of the previous run."""
        try:
            lines = [*self.cluster.logs(pod, tail=self.log_lines, timestamps=True, limit_bytes=_LOG_BYTES)]
            if pod.restarts and not pod.ready:
                lines = [*self.cluster.logs(pod, tail=50, previous=True, timestamps=True), *lines]
        except ClusterError as error:
            return [LogLine(f"the log cannot be read: {error.message}")]
        return lines


_COLLECTED_BYTES = 64 * 1024
_LINES = 200


def read_server(observed: ServerObservation, server: Server) -> ServerObservation:
    """Add what the server answers to the observation of its pod."""
    read_errors: list[str] = []

    def attempt(what: str, question: Callable[[], Any], otherwise: Any) -> Any:
        try:
            return question()
        except PgnbError as error:
            read_errors.append(f"{what} could not be read: {error.message}")
            return otherwise

    answers = {
        "condition": attempt("settings", lambda: _condition(server), None),
        "receiver": attempt("pg_stat_wal_receiver", lambda: receiver(server), None),
        "senders": attempt("pg_stat_replication", lambda: senders(server), ()),
        "slots": attempt("pg_replication_slots", lambda: slots(server).items, ()),
        "five": attempt("the five settings", lambda: standby_limits(server), {}),
        "senders_free": attempt("free walsenders", lambda: _free_senders(server), None),
        "broken_settings": attempt("configuration files", lambda: tuple(file_errors(server)), ()),
        "broken_rules": attempt("pg_hba.conf", lambda: tuple(errors_of(server)), ()),
        "conninfo_sources": attempt("primary_conninfo in files", lambda: _conninfo_sources(server), ()),
        "disk": attempt("disk space", lambda: space_of(server, server.facts.data_directory), None),
        "log": attempt("collected log", lambda: (*observed.log, *_collected(server)), observed.log),
    }
    return replace(observed, server=server, facts=server.facts, **answers, read_errors=tuple(read_errors))


def _condition(server: Server) -> Condition:
    row = server.fetch_one("diagnosis/condition")
    oldest, size = row["oldest_wal"], server.facts.wal_segment_size
    # After its timeline, a segment's name is its number in two parts of 8 digits.
    position = (int(oldest[:8], 16) << 32) + int(oldest[8:], 16) * size if oldest else None
    return Condition(row["settings"], position, row["receiver_silent"], tuple(row["pending"]))


def _free_senders(server: Server) -> int:
    room = server.fetch_one("physical/room")
    return int(room["max_senders"]) - int(room["senders"])


def _conninfo_sources(server: Server) -> tuple[tuple[str, str], ...]:
    """Return where primary_conninfo is set, with its application_name there; the last one is in force."""
    rows = [row for row in server.query("file_settings") if row["name"] == "primary_conninfo"]
    return tuple(
        (
            f"{row['sourcefile']}:{row['sourceline']}",
            connection_parts(row["setting"]).get("application_name", ""),
        )
        for row in rows
    )


def _collected(server: Server) -> list[LogLine]:
    return collected_log(server, lines=_LINES, size=_COLLECTED_BYTES)


def read_role(primary: ServerObservation, name: str, secret: str) -> RoleObservation | None:
    """Read the replication role on the primary, and whether its password is the Secret's."""
    if primary.server is None or primary.facts.in_recovery:
        return None
    password = None
    with suppress(NotFound):
        # Without the Secret the verifier is not compared.
        password = primary.server.cluster.secret_value(secret, "password") if secret else None
    try:
        found = look_at_role(primary.server, name, password)
    except PgnbError:
        # The role is additional evidence: without the right to read it, the log must do.
        return None
    missing = (*(() if found.exists else ("the role itself",)), *found.missing)
    return RoleObservation(name, missing, found.verifier_fits if password else None, secret)


_PAIR = re.compile(r"(\w+)\s*=\s*('(?:\\.|[^'\\])*'|[^\s']*)")
_ESCAPED = re.compile(r"\\(.)")
_TIMEOUT = 40.0


def connection_parts(text: str) -> Mapping[str, str]:
    """Return the unquoted keyword/value pairs of a connection string; the last one of a keyword counts."""
    return {key: _ESCAPED.sub(r"\1", value.strip("'")) for key, value in _PAIR.findall(text)}


def try_connection(cluster: Cluster, standby: ServerObservation) -> ConnectivityTest | None:
    """Test a standby's primary_conninfo from its own container; None if there is nothing to test.

    The password is never an argument: libpq reads it itself (a passfile, the container's environment), or it
    is sent on standard input.
    """
    text = standby.condition.settings.get("primary_conninfo", "") if standby.condition else ""
    parts = dict(connection_parts(text or ""))
    if not parts.get("host") or not standby.facts.in_recovery:
        return None
    host, port = parts["host"], parts.get("port", "5432")
    password = parts.pop("password", "")
    arguments = (host, port, standby.facts.bin_dir, conninfo(parts))
    argv = scripts.argv("proofs", "own_connection", args=arguments)
    proofs = _proofs(cluster, standby, argv, f"{password}\n")
    return ConnectivityTest(host, port, parts.get("user", ""), proofs)


def _proofs(
    cluster: Cluster, standby: ServerObservation, argv: Sequence[str], given: str
) -> Mapping[str, ProbeResult]:
    try:
        return read_results(cluster.exec(standby.pod, argv, stdin=given.encode(), timeout=_TIMEOUT).text)
    except (ClusterError, DeadlineExceeded):
        # Without the right to exec, or a shell in the image, the log must do.
        return {}
