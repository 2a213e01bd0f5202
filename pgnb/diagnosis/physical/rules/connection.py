"""Findings about the connection from a standby to its primary: why no WAL arrives, by the first obstacle."""

from __future__ import annotations

from collections.abc import Iterator

from pgnb.core.display import format_duration
from pgnb.core.findings import Finding
from pgnb.diagnosis.physical.log_messages import classify_message, last_known_error, lines_about
from pgnb.diagnosis.physical.observation import ConnectivityTest, Evidence, ServerObservation
from pgnb.physical.connectivity import ProbeResult

_SILENT = 0.75
"""Share of wal_receiver_timeout: the primary sends something at least every half of it."""


def connection_findings(evidence: Evidence, explained: frozenset[str]) -> Iterator[Finding]:
    """Report, for each standby that answers and does not stream, why; `explained` have a cause already."""
    for standby in evidence.standbys:
        if not standby.reachable or not standby.facts.in_recovery:
            continue
        if standby.streaming:
            yield from () if standby.name in explained else _half_open(evidence, standby)
            continue
        found = list(_obstacle(evidence, standby))
        yield from found
        if not found and standby.name not in explained:
            yield _by_last_message(evidence, standby)


def _obstacle(evidence: Evidence, standby: ServerObservation) -> Iterator[Finding]:
    """Report what the connection test failed at: name, port, session, or the identity of the server."""
    connectivity = standby.connectivity
    if connectivity is None:
        return
    if connectivity.failed("name") or connectivity.failed("port"):
        yield _unreachable(standby, connectivity)
        return
    if session := connectivity.failed("session"):
        about = _ABOUT.get(classify_message(session.summary), _otherwise)
        yield about(evidence, standby, connectivity, session)
        return
    primary = evidence.primary
    ours = primary.facts.system_identifier if primary else ""
    if connectivity.identity and ours and connectivity.identity != ours:
        yield Finding(
            "unreachable",
            standby.name,
            "The name leads to a server that is not this primary.",
            (
                f"{connectivity.host}:{connectivity.port} has system identifier {connectivity.identity},"
                f" the primary has {ours}",
            ),
            "Check which pods the Service selects: kubectl get endpoints " + connectivity.host,
        )


def _unreachable(standby: ServerObservation, connectivity: ConnectivityTest) -> Finding:
    unnamed = connectivity.failed("name")
    words = (unnamed or connectivity.failed("port") or ProbeResult(0, "")).summary
    what = "the name does not resolve" if unnamed else "the name resolves, but nothing answers on the port"
    cause = (
        "The Service does not exist, is in another namespace, or its name in primary_conninfo is wrong."
        if unnamed
        else "The Service has no Ready endpoint, the port is wrong, or a NetworkPolicy blocks the connection."
    )
    return Finding(
        "unreachable",
        standby.name,
        cause,
        (
            f"tested from {standby.name}: {connectivity.host}:{connectivity.port}: {what} {words}".rstrip(),
            *lines_about(standby.log, "unreachable", limit=1),
        ),
        f"kubectl get services,endpoints {connectivity.host}; then correct the Service, or"
        " primary_conninfo on the standby (06, section 6.2).",
    )


def _rejected(
    evidence: Evidence, standby: ServerObservation, connectivity: ConnectivityTest, session: ProbeResult
) -> Finding:
    row = standby.hba.deciding if standby.hba is not None else None
    deciding = f"{row['file_name']}:{row['line_number']} ({row['auth_method']})" if row else "no rule"
    return Finding(
        "hba-rejects",
        standby.name,
        "A rule that rejects comes first." if row else "No rule of pg_hba.conf matches.",
        (
            f"tested from {standby.name}: {_one_line(session)}",
            f"rule for replication by {connectivity.role} from {standby.pod.ip}: {deciding}",
        ),
        f"Add a rule for the database `replication`, {connectivity.role} and {standby.pod.ip}, before the"
        " one that rejects (02, section 2.2, replication_networks).",
    )


def _password(
    evidence: Evidence, standby: ServerObservation, connectivity: ConnectivityTest, session: ProbeResult
) -> Finding:
    role = evidence.role
    primary = evidence.primary
    said = lines_about(primary.log, "wrong-password", limit=1) if primary else ()
    if role is not None and role.fits is False:
        cause = f"The role's password is not the one in the Secret {role.secret}."
        remedy = "02 (replication role) sets the role's password to the Secret's."
    elif role is not None and role.fits:
        cause = f"The role has the password of the Secret {role.secret}; the standby uses another one."
        remedy = "Restart the standby; it writes its passfile from the Secret at startup (06, section 6.2)."
    else:
        cause = "Role, Secret and the standby's passfile do not have the same password."
        remedy = "Run 02 (replication role) with replication_secret; then restart the standby."
    return Finding(
        "wrong-password",
        standby.name,
        cause,
        (f"tested from {standby.name}: {_one_line(session)}", *said),
        remedy,
    )


def _no_replication(
    evidence: Evidence, standby: ServerObservation, connectivity: ConnectivityTest, session: ProbeResult
) -> Finding:
    role = evidence.role
    lacks = (
        f"the role {connectivity.role} lacks {', '.join(role.missing)}"
        if role and role.missing
        else connectivity.role
    )
    return Finding(
        "no-replication",
        standby.name,
        f"The standby needs a role with LOGIN REPLICATION: {lacks}.",
        (f"tested from {standby.name}: {_one_line(session)}",),
        f"Run 02 (replication role), or ALTER ROLE {connectivity.role} LOGIN REPLICATION on the primary.",
    )


def _no_sender(
    evidence: Evidence, standby: ServerObservation, connectivity: ConnectivityTest, session: ProbeResult
) -> Finding:
    primary = evidence.primary
    used = tuple(f"{s.application_name} from {s.address}" for s in primary.senders) if primary else ()
    return Finding(
        "no-free-sender",
        standby.name,
        "All walsenders (max_wal_senders) or connections (max_connections) of the primary are in use.",
        (f"tested from {standby.name}: {_one_line(session)}", *used),
        "Stop a consumer that is not needed, or raise the limit (02, needs a restart; on the standbys"
        " first, 06).",
    )


def _otherwise(
    evidence: Evidence, standby: ServerObservation, connectivity: ConnectivityTest, session: ProbeResult
) -> Finding:
    return Finding(
        "receiver-dead",
        standby.name,
        f"{connectivity.host} refuses the connection.",
        (f"tested from {standby.name}: {_one_line(session)}",),
        "The message names the cause: TLS (sslmode), a temporary state, a limit. The primary's log says"
        " more.",
    )


def _nobody(
    evidence: Evidence, standby: ServerObservation, connectivity: ConnectivityTest, session: ProbeResult
) -> Finding:
    return _unreachable(
        standby, ConnectivityTest(connectivity.host, connectivity.port, connectivity.role, {"port": session})
    )


_ABOUT = {
    "hba-rejects": _rejected,
    "wrong-password": _password,
    "no-replication": _no_replication,
    "no-free-sender": _no_sender,
    "unreachable": _nobody,
}


def _by_last_message(evidence: Evidence, standby: ServerObservation) -> Finding:
    """Report the receiver's last known error, or that there is none, if the test met no obstacle."""
    tried = standby.connectivity is not None and bool(standby.connectivity.identity)
    kind, line = last_known_error(standby.log)
    if kind and not (tried and kind in _ABOUT):
        return Finding(
            kind,
            standby.name,
            "The standby's log says so.",
            (line,),
            "See 02 (connection, role, slot) or 03 (a new base backup).",
        )
    text = standby.condition.settings.get("primary_conninfo") if standby.condition else ""
    cause = (
        "primary_conninfo names no server."
        if not text
        else "The connection test succeeds; the receiver is between two attempts, or was stopped."
        if tried
        else "No cause was found; read the standby's log."
    )
    state = standby.receiver.status if standby.receiver else None
    return Finding(
        "receiver-dead",
        standby.name,
        cause,
        (f"pg_stat_wal_receiver: {state or 'no row'}", *((line,) if line else ())),
        "Set primary_conninfo (03, or 06 section 6.2) and reload; run this again after"
        " wal_retrieve_retry_interval.",
    )


def _half_open(evidence: Evidence, standby: ServerObservation) -> Iterator[Finding]:
    """Report a receiver that says it streams, although no walsender feeds it."""
    condition, receiver = standby.condition, standby.receiver
    if condition is None or receiver is None or condition.receiver_silent is None:
        return
    timeout = float(condition.settings.get("wal_receiver_timeout") or 0) / 1000
    silent = condition.receiver_silent
    limit = _SILENT * timeout if timeout else 60.0
    if silent > limit or (evidence.sender_to(standby) is None and _feeds_nobody(evidence)):
        yield Finding(
            "receiver-dead",
            standby.name,
            "It reports streaming, but receives nothing: the connection is half open, or its process is"
            " stopped.",
            (
                f"pg_stat_wal_receiver: {receiver.status}, last message {format_duration(silent)} ago",
                f"wal_receiver_timeout {format_duration(timeout)}",
            ),
            "It ends after wal_receiver_timeout and reconnects; or SELECT"
            f" pg_terminate_backend({receiver.receiver_pid}) on the standby.",
        )


def _feeds_nobody(evidence: Evidence) -> bool:
    """Return whether the primary has no walsender at all.

    With one, the primary may see this standby under another address.
    """
    primary = evidence.primary
    return primary is not None and primary.reachable and not primary.senders


def _one_line(proof: ProbeResult) -> str:
    return " ".join(proof.summary.split())
