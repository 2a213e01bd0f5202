"""Findings about the way from a standby to its primary: why no WAL flows, by the first obstacle."""

from __future__ import annotations

from collections.abc import Iterator

from pgnb.core.display import format_duration
from pgnb.core.findings import Finding
from pgnb.diagnosis.physical.log_messages import classify_message, last_known_error, lines_about
from pgnb.diagnosis.physical.observation import ConnectivityTest, Evidence, ServerObservation
from pgnb.physical.proof import Proof

_SILENT = 0.75
"""Of wal_receiver_timeout: the primary sends something at least every half of it."""


def connection_findings(evidence: Evidence, explained: frozenset[str]) -> Iterator[Finding]:
    """For each standby that can be asked and is not fed; `explained` names those whose cause was found."""
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
    """What the trial of the standby's own connection met: name, port, session, and who answers there."""
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
            "The name leads to another server than this primary.",
            (
                f"{connectivity.host}:{connectivity.port} answers with system identifier {connectivity.identity}, the primary's is"
                f" {ours}",
            ),
            "See which pods the Service selects: kubectl get endpoints " + connectivity.host,
        )


def _unreachable(standby: ServerObservation, connectivity: ConnectivityTest) -> Finding:
    unnamed = connectivity.failed("name")
    words = (unnamed or connectivity.failed("port") or Proof(0, "")).summary
    what = "its name is not known" if unnamed else "its name is known, nobody answers on the port"
    cause = (
        "The Service is not there, in another namespace, or its name in primary_conninfo is wrong."
        if unnamed
        else "The Service has no Ready endpoint, the port is wrong, or a NetworkPolicy stands between."
    )
    return Finding(
        "unreachable",
        standby.name,
        cause,
        (
            f"tried from {standby.name}: {connectivity.host}:{connectivity.port}: {what} {words}".rstrip(),
            *lines_about(standby.log, "unreachable", limit=1),
        ),
        f"kubectl get services,endpoints {connectivity.host}; then the Service, or primary_conninfo on the standby"
        " (06, section 6.2).",
    )


def _rejected(
    evidence: Evidence, standby: ServerObservation, connectivity: ConnectivityTest, session: Proof
) -> Finding:
    row = standby.hba.deciding if standby.hba is not None else None
    deciding = f"{row['file_name']}:{row['line_number']} ({row['auth_method']})" if row else "no rule"
    return Finding(
        "hba-rejects",
        standby.name,
        "A rule that rejects stands in front." if row else "No rule of pg_hba.conf matches.",
        (
            f"tried from {standby.name}: {_one_line(session)}",
            f"for replication by {connectivity.role} from {standby.pod.ip} decides: {deciding}",
        ),
        f"A rule of the database `replication` for {connectivity.role} and {standby.pod.ip}, in front of what"
        " rejects it (02, section 2.2, replication_networks).",
    )


def _password(
    evidence: Evidence, standby: ServerObservation, connectivity: ConnectivityTest, session: Proof
) -> Finding:
    role = evidence.role
    primary = evidence.primary
    said = lines_about(primary.log, "wrong-password", limit=1) if primary else ()
    if role is not None and role.fits is False:
        cause = f"The role's password is not the one in the Secret {role.secret}."
        mend = "02 puts the role in step with the Secret (the role that replicates)."
    elif role is not None and role.fits:
        cause = f"The role has the password of the Secret {role.secret}; the standby uses another one."
        mend = (
            "Restart the standby, whose passfile is written from the Secret at its start (06, section 6.2)."
        )
    else:
        cause = "Role, Secret and the standby's passfile do not have the same password."
        mend = "02 (the role that replicates), with replication_secret; then restart the standby."
    return Finding(
        "wrong-password",
        standby.name,
        cause,
        (f"tried from {standby.name}: {_one_line(session)}", *said),
        mend,
    )


def _no_replication(
    evidence: Evidence, standby: ServerObservation, connectivity: ConnectivityTest, session: Proof
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
        f"A receiver needs a role with LOGIN REPLICATION: {lacks}.",
        (f"tried from {standby.name}: {_one_line(session)}",),
        f"02 (the role that replicates), or ALTER ROLE {connectivity.role} LOGIN REPLICATION on the primary.",
    )


def _no_sender(
    evidence: Evidence, standby: ServerObservation, connectivity: ConnectivityTest, session: Proof
) -> Finding:
    primary = evidence.primary
    used = tuple(f"{s.application_name} from {s.address}" for s in primary.senders) if primary else ()
    return Finding(
        "no-free-sender",
        standby.name,
        "max_wal_senders (or max_connections) of the primary is used up.",
        (f"tried from {standby.name}: {_one_line(session)}", *used),
        "Stop a consumer that is not needed, or raise it (02, takes a restart; on the standbys first, 06).",
    )


def _otherwise(
    evidence: Evidence, standby: ServerObservation, connectivity: ConnectivityTest, session: Proof
) -> Finding:
    return Finding(
        "receiver-dead",
        standby.name,
        f"{connectivity.host} refuses the connection, by its own words.",
        (f"tried from {standby.name}: {_one_line(session)}",),
        "See its words: TLS (sslmode), a state that passes, a limit; the primary's log says more.",
    )


def _nobody(
    evidence: Evidence, standby: ServerObservation, connectivity: ConnectivityTest, session: Proof
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
    """No obstacle was met: what the receiver said last, or that there is none."""
    tried = standby.connectivity is not None and bool(standby.connectivity.identity)
    kind, line = last_known_error(standby.log)
    if kind and not (tried and kind in _ABOUT):
        return Finding(
            kind,
            standby.name,
            "The standby's receiver says so itself.",
            (line,),
            "See the section of this finding: 02 (connection, role, slot), 03 (a new base backup).",
        )
    text = standby.condition.settings.get("primary_conninfo") if standby.condition else ""
    cause = (
        "primary_conninfo names nobody to receive from."
        if not text
        else "The connection works when it is tried; the receiver is between two attempts, or was stopped."
        if tried
        else "Nothing on its way was found; its log has the last word."
    )
    state = standby.receiver.status if standby.receiver else None
    return Finding(
        "receiver-dead",
        standby.name,
        cause,
        (f"pg_stat_wal_receiver: {state or 'no row'}", *((line,) if line else ())),
        "Set primary_conninfo (03 does, or 06, section 6.2) and reload; look again after"
        " wal_retrieve_retry_interval.",
    )


def _half_open(evidence: Evidence, standby: ServerObservation) -> Iterator[Finding]:
    """A receiver that calls itself streaming, and that nobody feeds any more."""
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
            "It says that it streams, but nothing comes: the connection is"
            " half open, or its process stands still.",
            (
                f"pg_stat_wal_receiver: {receiver.status}, last message {format_duration(silent)} ago",
                f"wal_receiver_timeout {format_duration(timeout)}",
            ),
            "It ends by wal_receiver_timeout and connects anew; or SELECT pg_terminate_backend("
            f"{receiver.receiver_pid}) on the standby.",
        )


def _feeds_nobody(evidence: Evidence) -> bool:
    """Whether the primary feeds nobody: one that feeds others may see this standby under another address."""
    primary = evidence.primary
    return primary is not None and primary.reachable and not primary.senders


def _one_line(proof: Proof) -> str:
    return " ".join(proof.summary.split())
