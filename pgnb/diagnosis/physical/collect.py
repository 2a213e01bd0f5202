"""Collecting the evidence: pods, events, bounded logs, and every server that can be asked. No change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pgnb.cluster import Cluster, LogLine, Pod
from pgnb.core.errors import ClusterError, PgnbError
from pgnb.diagnosis.physical.asking import ask, ask_for_role
from pgnb.diagnosis.physical.reach import reach_of
from pgnb.diagnosis.physical.seen import Evidence, Part, ServerSeen, Wish
from pgnb.postgres import Client, Server, find_server
from pgnb.postgres.config.hba import read_hba
from pgnb.postgres.facts import assert_expected
from pgnb.postgres.standbys import own_selector

_LOG_BYTES = 256 * 1024


def collect_evidence(
    cluster: Cluster,
    primary_selector: str,
    standby_selector: str,
    *,
    container: str = "",
    user: str = "postgres",
    password: str = "",
    slot: str = "",
    application_name: str = "",
    role: str = "",
    secret: str = "",
    min_free: float = 10.0,
    log_lines: int = 200,
    expect: str = "",
) -> Evidence:
    """Look at the primary, at every standby and at what lies between; what fails to answer is evidence, too.

    `container` is the primary's; `password` names where the login's password stands; `slot` and
    `application_name` are the wish for a single standby (empty: as it is set), `role` and `secret` the role
    that replicates and its Secret. `min_free` is a percentage of each data volume; `log_lines` the lines of
    each log that are read; `expect` is the system identifier that a primary which answers must have. Raises
    AccessDenied and ApiUnreachable when the cluster cannot be looked at, and WrongServer.
    """
    wish = Wish(slot, application_name, role, secret, min_free)
    collector = _Collector(cluster, user, password, log_lines)
    primaries = collector.look("primary", primary_selector, container)
    for one in primaries:
        if one.server is not None:
            assert_expected(one.server.name, one.server.facts, expect)
    standbys = collector.look("standby", standby_selector)
    selectors: tuple[tuple[Part, str, Sequence[ServerSeen]], ...] = (
        ("primary", primary_selector, primaries),
        ("standby", standby_selector, standbys),
    )
    missing = tuple((part, selector) for part, selector, found in selectors if not found)
    place = f"{cluster.context or cluster.server_url}, namespace {cluster.namespace}"
    first = Evidence(place, wish, (*primaries, *standbys), missing=missing, changes=cluster.role_changes())
    return _with_the_way_between(cluster, first)


def _with_the_way_between(cluster: Cluster, evidence: Evidence) -> Evidence:
    """What needs both sides: the standbys' connections tried out, their role, and who decides about them."""
    primary = evidence.primary
    seen = [
        replace(one, reach=reach_of(cluster, one)) if one in evidence.standbys and not one.streaming else one
        for one in evidence.seen
    ]
    name = next((one.reach.role for one in seen if one.reach), "") or evidence.wish.role
    role = ask_for_role(primary, name, evidence.wish.secret) if primary and name else None
    if primary and primary.server is not None:
        seen = [_with_deciding_rule(primary.server, one, name) if one.reach else one for one in seen]
    return replace(evidence, seen=tuple(seen), role=role)


def _with_deciding_rule(primary: Server, standby: ServerSeen, role: str) -> ServerSeen:
    client = Client("", role, standby.pod.ip, replication=True, ssl=primary.facts.ssl)
    try:
        return replace(standby, hba=read_hba(primary, client))
    except PgnbError as error:
        words = f"rules of pg_hba.conf on {primary.name}: {error.message}"
        return replace(standby, unanswered=(*standby.unanswered, words))


class _Collector:
    """How pods are looked at and servers asked, the same for all."""

    def __init__(self, cluster: Cluster, user: str, password: str, log_lines: int) -> None:
        self.cluster = cluster
        self.user = user
        self.password = password
        self.log_lines = log_lines

    def look(self, part: Part, selector: str, container: str = "") -> list[ServerSeen]:
        """Every pod of a selector that is not on its way out, and the server in its container."""
        pods = self.cluster.pods(selector, container)
        return [self._look_at(part, selector, pod, container) for pod in pods if not pod.deleting]

    def _look_at(self, part: Part, selector: str, pod: Pod, container: str) -> ServerSeen:
        seen = ServerSeen(part, pod, tuple(self._events(pod)), tuple(self._log(pod)))
        if not pod.ready:
            return replace(seen, refused=pod.not_ready_reason)
        try:
            own = own_selector(self.cluster, pod, selector)
            server = find_server(
                self.cluster, own, container=container, user=self.user, password=self.password
            )
        except PgnbError as error:
            return replace(seen, refused=f"{error.message}: {error.found}".rstrip(": "))
        return ask(replace(seen, server=server), server)

    def _events(self, pod: Pod) -> Iterator[str]:
        try:
            events = self.cluster.events(pod.uid)
        except ClusterError as error:
            yield f"events cannot be read: {error.message}"
            return
        for event in events:
            # A probe that failed while a server started says nothing about one that is Ready now.
            passed = pod.ready and event.get("reason") == "Unhealthy"
            if event.get("type") == "Warning" and not passed:
                yield f"event {event.get('reason', '')}: {event.get('message', '')}"

    def _log(self, pod: Pod) -> list[LogLine]:
        """The container's last lines; before them, where it was started again, how its former run ended."""
        try:
            lines = [*self.cluster.logs(pod, tail=self.log_lines, timestamps=True, limit_bytes=_LOG_BYTES)]
            if pod.restarts and not pod.ready:
                lines = [*self.cluster.logs(pod, tail=50, previous=True, timestamps=True), *lines]
        except ClusterError as error:
            return [LogLine(f"the log cannot be read: {error.message}")]
        return lines
