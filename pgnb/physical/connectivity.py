"""Test, before any data are removed, that a standby can reach its source (fact 61)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from pgnb.cluster import Cluster, HelperPod
from pgnb.cluster.helper_spec import START
from pgnb.core.checks import Check, Checks
from pgnb.core.errors import ClusterError, DeadlineExceeded
from pgnb.physical import scripts
from pgnb.physical.manifest import data_owner
from pgnb.physical.slots import slots
from pgnb.physical.status import STREAMING
from pgnb.physical.target import Target, find_target
from pgnb.postgres import Server
from pgnb.postgres.source import Source

_PROOF = re.compile(r"proof (?P<status>\d+) (?P<name>\w+)\Z")
HELPER_PASSFILE = "/tmp/pgnb-passfile"
_TIMEOUT = 90.0
_REMEDIES: tuple[tuple[str, str, str], ...] = (
    (
        r"no pg_hba\.conf entry|pg_hba\.conf rejects",
        "pg_hba.conf",
        "Add a rule for the database `replication`, this role and address, before the rule that rejects it"
        " (section 2).",
    ),
    (
        r"password authentication failed|no password supplied|SASL authentication|no SCRAM secret",
        "password",
        "The Secret's password is not the role's: set both again (section 2.3).",
    ),
    (
        r"permission denied to start WAL sender|must be superuser or replication role",
        "REPLICATION",
        "ALTER ROLE … REPLICATION.",
    ),
    (r"is not permitted to log in", "LOGIN", "ALTER ROLE … LOGIN."),
    (
        r"too many connections|remaining connection slots|max_wal_senders|number of requested standby",
        "room",
        "Raise max_wal_senders or max_connections on the primary (restart), or stop a consumer.",
    ),
    (r"SSL|TLS|certificate", "TLS", "See replication_tls, its files, and ssl on the primary."),
    (r"starting up|shutting down|in recovery mode|not yet accepting", "state", "Wait for the primary."),
)


@dataclass(frozen=True)
class ProbeResult:
    """One test: its exit status, and the program's output."""

    status: int
    summary: str


def check_source(
    primary: Server,
    source: Source,
    standby: str = "",
    *,
    slot: str,
    application_name: str = "",
    standby_container: str = "",
    start_timeout: float = START,
) -> Checks:
    """Test the source from a helper pod where the standby will run: name, port, login, identity, slot.

    `standby` is the workload's name; while it does not exist, the helper pod copies the primary's. A slot
    counts as free if `application_name` itself reads from it. `start_timeout` in seconds, for the helper
    pod to start. Each failure is reported separately, with the server's own message. A plan-only run starts
    no pod, and checks only what the primary knows.
    """
    title = f"{source.host}:{source.port} as the source of {standby or 'a standby'}"
    items = [*_role(primary, source), _slot(primary, slot, application_name), *_room(primary)]
    if words := _needs_no_test(primary, slot, application_name):
        shown = [*items, _untested(primary, words)]
        return Checks.of(title, shown, primary.journal, observed=True)
    target = find_target(primary.cluster, standby, container=standby_container) if standby else None
    spec = replace(_helper(primary, source, target), start_timeout=start_timeout)
    return Checks.of(title, [*_from_there(primary, source, spec), *items], primary.journal)


def _untested(primary: Server, words: str) -> Check:
    return Check("reachable from there", True, words, informs=primary.journal.dry_run)


def _needs_no_test(primary: Server, slot: str, application_name: str) -> str:
    found = slots(primary).find(slot)
    if found and found.active and found.consumer == application_name and found.consumer_state == STREAMING:
        return f"{application_name} streams from it now"
    return "not tested: a plan-only run starts no pod" if primary.journal.dry_run else ""


def _role(primary: Server, source: Source) -> Iterator[Check]:
    roles = primary.query("role", {"role": source.role})
    role = roles[0] if roles else {}
    may = bool(role.get("can_login") and role.get("can_replicate") and not role.get("expired"))
    yield Check(
        f"role {source.role}",
        may,
        _role_words(role),
        "LOGIN REPLICATION, not expired",
        f"Create it, or ALTER ROLE {source.role} LOGIN REPLICATION (section 2.3).",
    )


def _slot(primary: Server, name: str, application_name: str) -> Check:
    slot = slots(primary).find(name)
    usable = slot is not None and slot.physical and not slot.lost
    free = slot is None or not slot.active or slot.consumer == application_name
    return Check(
        f"slot {name}",
        usable and free,
        slot.summary if slot else "does not exist",
        "physical, free, with its WAL",
        "Create it (section 2.3)." if free else "Another standby reads from it: name another slot.",
    )


def _room(primary: Server) -> Iterator[Check]:
    room = primary.fetch_one("physical/room")
    senders, room_for_slots = room["max_senders"] - room["senders"], room["max_slots"] - room["slots"]
    yield Check(
        "room for walsenders",
        senders >= 2,
        f"{senders} of {room['max_senders']} free",
        "2 for the base backup",
        "Raise max_wal_senders (restart), or stop a consumer.",
    )
    yield Check(
        "room for a temporary slot",
        room_for_slots >= 1,
        f"{room_for_slots} of {room['max_slots']} free",
        "1 for the base backup",
        "Drop an unused slot, or raise max_replication_slots (restart).",
    )


def _role_words(role: Mapping[str, object]) -> str:
    if not role:
        return "does not exist"
    login = "LOGIN" if role["can_login"] else "NOLOGIN"
    replicates = "REPLICATION" if role["can_replicate"] else "NOREPLICATION"
    return f"{login} {replicates}{', expired' if role['expired'] else ''}"


def _from_there(primary: Server, source: Source, spec: HelperPod) -> list[Check]:
    try:
        result = primary.cluster.run_helper(spec, timeout=_TIMEOUT)
    except (ClusterError, DeadlineExceeded) as error:
        found = f"{error.message}: {error.found}"
        return [
            Check(
                "a pod where the standby will run", False, found, "runs", error.remedy or "Read its events."
            )
        ]
    return list(checks_of(read_results(result.text), source, primary.facts.system_identifier))


def _helper(primary: Server, source: Source, target: Target | None) -> HelperPod:
    owner, bin_dir = data_owner(primary), primary.facts.bin_dir
    connection = source.connection("pgnb", HELPER_PASSFILE)
    arguments = (*source.passfile_arguments(HELPER_PASSFILE), bin_dir, connection)
    argv = scripts.argv("passfile", "proofs", "connectivity", args=arguments)
    spec = HelperPod("pgnb-prove-source", primary.pod.image, argv, uid=owner.uid, gid=owner.gid)
    if target is not None:
        return source.given_to(_placed(primary.cluster, target, spec), target.pod)
    return source.given_to(spec.like(primary.pod), primary.pod)


def _placed(cluster: Cluster, target: Target, spec: HelperPod) -> HelperPod:
    """Place the helper pod on the node of the standby's pod, or where its volume can be mounted."""
    there = target.helper(spec.name_prefix, spec.argv, uid=spec.uid or 0, gid=spec.gid or 0)
    nodes = [pod.node for pod in cluster.pods(target.workload.selector, target.pod.container) if pod.node]
    return replace(there, claims={}, node=nodes[0]) if nodes else there


def read_results(text: str) -> dict[str, ProbeResult]:
    """Parse the script's output into tests by name."""
    tests: dict[str, ProbeResult] = {}
    name = ""
    for line in text.splitlines():
        if match := _PROOF.match(line):
            name = match["name"]
            tests[name] = ProbeResult(int(match["status"]), "")
        elif name:
            words = f"{tests[name].summary}\n{line}".strip()
            tests[name] = ProbeResult(tests[name].status, words)
    return tests


def checks_of(tests: Mapping[str, ProbeResult], source: Source, system_identifier: str) -> Iterator[Check]:
    """Return a check for each test; tests that depend on a failed one are left out."""
    none = ProbeResult(1, "not tested")
    name, port, session = (tests.get(key, none) for key in ("name", "port", "session"))
    yield Check(
        "name",
        name.status == 0,
        " ".join(name.summary.split()[:1]) or "not found",
        "an address",
        "Check that the Service exists in this namespace, and that the cluster's DNS answers.",
    )
    if name.status:
        return
    yield Check(
        "port",
        port.status == 0,
        port.summary,
        "accepting connections",
        "Check that the Service has a ready endpoint, and that no NetworkPolicy blocks it.",
    )
    if port.status:
        return
    yield _session_check(session)
    if session.status == 0:
        identifier = session.summary.partition("|")[0]
        yield Check(
            "system identifier there",
            identifier == system_identifier,
            identifier,
            system_identifier,
            "The address leads to another server than the planned primary: check the Service.",
        )


def _session_check(session: ProbeResult) -> Check:
    words = " ".join(session.summary.split())
    for pattern, what, remedy in _REMEDIES:
        if session.status and re.search(pattern, words):
            return Check(f"replication session ({what})", False, words, "IDENTIFY_SYSTEM answers", remedy)
    found = "IDENTIFY_SYSTEM answered" if session.status == 0 else words
    return Check(
        "replication session", session.status == 0, found, "IDENTIFY_SYSTEM answers", "Read its message."
    )
