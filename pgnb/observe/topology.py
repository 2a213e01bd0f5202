"""The topology: servers, the connections between them, unused slots, unknown clients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pgnb.cluster import Cluster
from pgnb.core.display import Cell, Displayable, Table, format_bytes, format_duration
from pgnb.core.errors import PgnbError
from pgnb.postgres import Server
from pgnb.postgres.session import Row


@dataclass(frozen=True)
class Node:
    """A server. `role` is primary, standby, or "not there" for one that was not found.

    `trouble` says what is wrong with it; `source` is the server from which a standby says that it receives.
    """

    name: str
    role: str
    version: str = ""
    timeline: int = 0
    system_identifier: str = ""
    address: str = ""
    host: str = ""
    source: str = ""
    receiver: str = ""
    slot: str = ""
    """The primary_slot_name of a standby."""
    replayed: int | None = None
    trouble: str = ""

    @property
    def there(self) -> bool:
        """Whether a server was found."""
        return self.role in ("primary", "standby")


@dataclass(frozen=True)
class Link:
    """A walsender, or a slot without one. `target` is a node's name, or "" for an unknown one.

    `behind` is in bytes, `seconds` the primary's replay_lag (None: idle), `retained` what the slot keeps.
    """

    source: str
    target: str
    application_name: str = ""
    client: str = ""
    state: str = ""
    sync_state: str = ""
    slot: str = ""
    behind: int | None = None
    seconds: float | None = None
    retained: int | None = None
    wal_status: str = ""

    @property
    def streaming(self) -> bool:
        """Whether WAL flows and the other end has caught up."""
        return self.state == "streaming"

    @property
    def unused_slot(self) -> bool:
        """Whether this is a slot without a consumer that keeps WAL."""
        return bool(self.slot) and not self.state


@dataclass(frozen=True, repr=False)
class Topology(Displayable):
    """The servers and their connections at one moment."""

    place: str
    nodes: tuple[Node, ...]
    links: tuple[Link, ...]

    def node(self, name: str) -> Node | None:
        """Return the node of that name."""
        return next((node for node in self.nodes if node.name == name), None)

    @property
    def primaries(self) -> tuple[Node, ...]:
        """The servers that accept writes: one, unless something is very wrong."""
        return tuple(node for node in self.nodes if node.role == "primary")

    @property
    def lag(self) -> dict[str, dict[str, object]]:
        """How far each receiver of WAL is behind at this moment, by name; None where it is not known.

        `seconds` is the primary's replay_lag, which an idle standby does not have.
        """
        receivers: dict[str, dict[str, object]] = {
            link.target or link.application_name or link.client: {
                "bytes": link.behind,
                "seconds": link.seconds,
                "connected": True,
            }
            for link in self.links
            if link.state
        }
        unfed = [node.name for node in self.nodes if node.role == "standby" and node.name not in receivers]
        for name in unfed:
            receivers[name] = {"bytes": None, "seconds": None, "connected": False}
        return receivers

    @property
    def troubles(self) -> tuple[str, ...]:
        """The problems, one sentence each."""
        return (*_wrong_servers(self), *_wrong_links(self))

    @property
    def finding(self) -> str:
        """The state in one sentence: the first problem, or who follows whom."""
        if self.troubles:
            more = f" (and {len(self.troubles) - 1} more)" if len(self.troubles) > 1 else ""
            return f"{self.troubles[0]}{more}"
        following = [link for link in self.links if link.streaming and link.target]
        if not following:
            return self._without_standby()
        names = ", ".join(link.target for link in following)
        return f"{names} {'follows' if len(following) == 1 else 'follow'} {following[0].source}"

    def _without_standby(self) -> str:
        if not self.primaries:
            return "No server was found"
        others = sum(bool(link.state) for link in self.links)
        whom = (
            f"sends WAL to {others} client(s), none of them a server named here" if others else "runs alone"
        )
        return f"{self.primaries[0].name} {whom}"

    @property
    def table(self) -> Table:
        """Servers and links, one a line."""
        rows: list[tuple[object, ...]] = [
            (node.name, _role(node), node.version, _timeline(node), _sender(self, node))
            for node in self.nodes
        ]
        rows += [_stranger(link) for link in self.links if not link.target]
        columns = ("server", "role", "version", "timeline", "receives")
        return Table.of(
            columns, rows, title=f"Topology of {self.place}: {self.finding}", note="\n".join(self.troubles)
        )


def topology(cluster: Cluster | None, servers: Sequence[Server]) -> Topology:
    """Read the servers, the primary's walsenders and its slots; one query a server.

    A server that does not answer becomes a node with its problem, not an error, because this is the first
    step of troubleshooting. Source: pg_stat_replication, pg_replication_slots, pg_stat_wal_receiver.
    """
    looks = [_look(server) for server in servers]
    nodes = tuple(look[0] for look in looks)
    links = tuple(link for node, rows in looks for link in _links(node, rows, nodes))
    place = (
        f"{cluster.context or cluster.server_url}, namespace {cluster.namespace}" if cluster else "servers"
    )
    found = Topology(place, _named(nodes, links), links)
    if cluster is not None:
        cluster.journal.figure("lag", found.lag)
    return found


def _look(server: Server) -> tuple[Node, list[Row]]:
    if not server.present:
        return Node(server.name, "not there", trouble=server.route.state()), []
    try:
        facts = server.refresh()
        own = server.fetch_one("observe/lag_standby")
        rows = server.query("observe/lag_primary")
    except PgnbError as error:
        return Node(server.name, "not reachable", trouble=f"{error.message}: {error.found}"), []
    address, host = _place(server)
    node = Node(
        server.name,
        facts.role,
        facts.version_text,
        facts.timeline,
        facts.system_identifier,
        address,
        host,
        source=own["sender_host"] or "",
        receiver=own["receiver"] or "",
        slot=own["slot_name"] or "",
        replayed=own["replayed"],
    )
    return node, rows


def _place(server: Server) -> tuple[str, str]:
    """Return address and node of the server's pod."""
    try:
        return server.pod.ip, server.pod.node
    except PgnbError:
        return server.name.rpartition(":")[0], ""


def _links(node: Node, rows: Sequence[Row], nodes: Sequence[Node]) -> list[Link]:
    return [
        Link(
            node.name,
            _target(row, node, nodes),
            row["application_name"] or "",
            row["client"] or "",
            row["state"] or "",
            row["sync_state"] or "",
            row["slot_name"] or "",
            row["replay"],
            row["replay_seconds"],
            row["retained"],
            row["wal_status"] or "",
        )
        for row in rows
        if row["pid"] or row["slot_name"]
    ]


def _target(row: Row, sender: Node, nodes: Sequence[Node]) -> str:
    """Return the standby at the other end: of this primary's copies the one at the walsender's address.

    If addresses are translated on the way, or several share one, the standby's primary_slot_name decides.
    """
    if not row["pid"]:
        return ""
    copies = [n for n in nodes if n.role == "standby" and n.system_identifier == sender.system_identifier]
    here = [n for n in copies if n.address == row["client"] and n is not sender]
    by_slot = [n for n in here or copies if n.slot and n.slot == row["slot_name"]]
    found = by_slot if len(by_slot) == 1 else here
    return found[0].name if len(found) == 1 else ""


def _named(nodes: Sequence[Node], links: Sequence[Link]) -> tuple[Node, ...]:
    """Return the nodes, with a problem for a standby that nobody sends to."""
    fed = {link.target for link in links}
    lonely = "no server here sends to it"
    return tuple(
        replace(node, trouble=lonely) if node.role == "standby" and node.name not in fed else node
        for node in nodes
    )


def _wrong_servers(topology: Topology) -> list[str]:
    wrong = [f"{len(topology.primaries)} servers accept writes"] if len(topology.primaries) > 1 else []
    wrong += ["No server accepts writes"] if topology.nodes and not topology.primaries else []
    known = {node.system_identifier for node in topology.nodes if node.system_identifier}
    wrong += (
        ["The servers are not copies of one another (system identifiers differ)"] if len(known) > 1 else []
    )
    return wrong + [f"{node.name}: {node.trouble}" for node in topology.nodes if node.trouble]


def _wrong_links(topology: Topology) -> list[str]:
    wrong = []
    for link in topology.links:
        target, source = topology.node(link.target), topology.node(link.source)
        if link.wal_status in ("unreserved", "lost"):
            wrong.append(f"Slot {link.slot} is {link.wal_status}")
        elif link.unused_slot:
            wrong.append(f"Slot {link.slot} keeps {format_bytes(link.retained)} of WAL without a consumer")
        if target and source and target.timeline != source.timeline:
            wrong.append(
                f"{target.name} is on timeline {target.timeline}, {source.name} on {source.timeline}"
            )
    return wrong


def _stranger(link: Link) -> tuple[object, ...]:
    role = Cell("unknown client" if link.state else "nobody", "warn")
    return (link.client or f"slot {link.slot}", role, "", "", words(link))


def _role(node: Node) -> Cell:
    return Cell(node.role, "" if node.there else "dim")


def _timeline(node: Node) -> str:
    return str(node.timeline or "–") if node.there else ""


def _sender(topology: Topology, node: Node) -> str | Cell:
    links = [f"from {link.source}: {words(link)}" for link in topology.links if link.target == node.name]
    return "\n".join(links) if links else Cell(node.trouble, "bad" if node.role == "standby" else "dim")


def words(link: Link) -> str:
    """Return a link's state as text: bytes and seconds with their units, idle as idle."""
    if link.unused_slot:
        return (
            f"slot {link.slot}: unused, keeps {format_bytes(link.retained)} ({link.wal_status or 'no WAL'})"
        )
    seconds = "idle" if link.seconds is None else format_duration(link.seconds)
    slot = f", slot {link.slot} keeps {format_bytes(link.retained)}" if link.slot else ", no slot"
    who = f"{link.application_name}: " if link.application_name else ""
    return f"{who}{link.state} {link.sync_state}, {format_bytes(link.behind)} behind ({seconds}){slot}"
