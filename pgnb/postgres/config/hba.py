"""pg_hba.conf of a server: its rules in order, which one decides for a client, and a plan that adds rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

from pgnb.core.checks import Check, Checks
from pgnb.core.display import Cell, Displayable, Table
from pgnb.core.errors import ClusterError, ParameterError, QueryFailed
from pgnb.core.plan import Change, Step
from pgnb.postgres.config.edits import FileEdit, apply_edits
from pgnb.postgres.config.files import look_at, read_file
from pgnb.postgres.config.hbarule import Client, HbaRule, network
from pgnb.postgres.config.hbatext import decided_by, with_rules
from pgnb.postgres.config.mounted import config_map_of, followed_key, mounted_steps, text_of
from pgnb.postgres.config.places import assert_persistent
from pgnb.postgres.config.reload import reload_configuration
from pgnb.postgres.rows import Row
from pgnb.postgres.server import Server

_FALLBACK_PREFIX = {4: 16, 6: 64}


@dataclass(frozen=True, repr=False)
class HbaRules(Displayable):
    """The rules of a server in the order in which they are tried; with a client, which one decides."""

    rows: tuple[Row, ...] = field(repr=False)
    client: Client | None = None

    @property
    def deciding(self) -> Row | None:
        """The first rule that matches the client, or may match it; None: the client is rejected."""
        return next((row for row in self.rows if self._verdict(row) is not False), None)

    @property
    def lets_in(self) -> bool:
        """Whether the deciding rule matches for sure and does not reject."""
        row = self.deciding
        return row is not None and self._verdict(row) is True and row["auth_method"] != "reject"

    def _verdict(self, row: Row) -> bool | None:
        if self.client is None or row["error"]:
            return False
        return rule_of(row).matches(self.client)

    @property
    def table(self) -> Table:
        """One rule a line, with file and line number; the deciding one is marked."""
        deciding = self.deciding
        rows = [(*_fields_of(row), self._mark(row, row is deciding)) for row in self.rows]
        columns = ("where", "type", "database", "user", "address", "method", "options", "")
        note = "" if self.client is None or deciding else f"No rule admits {_words(self.client)}."
        return Table.of(columns, rows, title="pg_hba.conf: the first match decides", note=note)

    def _mark(self, row: Row, decides: bool) -> Cell:
        if row["error"]:
            return Cell(row["error"], "bad")
        if not decides:
            return Cell("")
        sure = self._verdict(row) is True
        return Cell("decides" if sure else "decides, if it matches", "good" if sure else "warn")


def read_hba(server: Server, client: Client | None = None) -> HbaRules:
    """Return the rules in the file, and which decides for a client. Source: pg_hba_file_rules."""
    return HbaRules(tuple(server.query("hba_rules")), client)


def explain_hba(
    server: Server,
    database: str = "",
    user: str = "",
    address: str = "",
    *,
    replication: bool = False,
    ssl: bool = False,
) -> HbaRules:
    """Return the rules of pg_hba.conf in order and, for a client, which one decides.

    `address` is the client's; "": the Unix socket. Without `user` there is no client. Raises QueryFailed.
    """
    return read_hba(server, Client(database, user, address, replication, ssl) if user else None)


def rule_of(row: Row) -> HbaRule:
    """Return a rule from a row of pg_hba_file_rules."""
    address = row["address"] or ""
    if row["netmask"]:
        address = str(ip_network(f"{address}/{_prefix(row['netmask'])}", strict=False))
    return HbaRule(
        row["type"], row["database"], row["user_name"], address, row["auth_method"], row["options"] or ""
    )


def _prefix(netmask: str) -> int:
    """Return the length of a mask: 255.255.0.0 is 16; also of IPv6 masks."""
    parts = netmask.split(".")
    if len(parts) == 4:
        return sum(int(part).bit_count() for part in parts)
    return sum(int(part, 16).bit_count() for part in netmask.split(":") if part)


def plan_hba(server: Server, rules: Sequence[HbaRule]) -> Change:
    """Return the plan after which each rule decides for the connections that it describes (section 2.2).

    The file is written where it lies; if it is mounted from a ConfigMap, the ConfigMap is changed and the
    plan waits for the mounted file. Validated by pg_hba_file_rules.error before the reload, restored on an
    error. Raises ParameterError for rules that PostgreSQL would refuse.
    """
    title = f"pg_hba.conf of {server.name}"
    if not server.present:
        return Change(title, server.journal, note="the server is not there yet")
    path = _hba_file(server)
    standing, mounted = read_file(server, path) or "", followed_key(server, path)
    before = text_of(server, mounted) if mounted else standing
    after = with_rules(before, [rule.checked() for rule in rules])
    if standing != after or before != after:
        return hba_change(server, title, path, before, after)
    # A mounted file is rewritten with every change of its ConfigMap, also of another key.
    if mounted is None and not _loaded(server, path):
        note = "The file already contains them, and was written after the last reload."
        change = Change(title, server.journal, before, after, [_reload_step(server)], note=note)
        change.precheck = lambda: _precheck(server, path, before, after)
        return change
    return Change(title, server.journal, before, after, note="every rule already decides for its connections")


def hba_change(server: Server, title: str, path: str, before: str, after: str) -> Change:
    """Return the change of the file's text, wherever it is stored; its undo exchanges the texts.

    `before` is the stored text: a mounted file shows its ConfigMap's up to a minute later. If the stored text
    is `after` already, the change only waits for the file.
    """
    place = look_at(server, path)
    if place.writable:
        assert_persistent(server, path)
        edit = FileEdit(path, before, after, place.owner, place.mode)
        steps = [_write_step(server, edit)]
    else:
        key = config_map_of(server, path)
        steps = mounted_steps(server, key, before, after, lambda: errors_of(server))
    steps.append(_reload_step(server))
    change = Change(title, server.journal, before, after, steps)
    change.precheck = lambda: _precheck(server, path, before, after)
    if before == after:
        change.note = f"The ConfigMap already contains them; {path} does not show them yet."
        return change
    change.undo_text = "the previous text is restored in the same way"
    change.undo = lambda: hba_change(server, f"undo: {title}", path, after, before)
    return change


def _reload_step(server: Server) -> Step:
    return Step(server.name, "reload the configuration", lambda: reload_configuration(server))


def _loaded(server: Server, path: str) -> bool:
    """Return whether the server has read the file since it was written; True if the login may not ask."""
    try:
        return bool(server.scalar("file_loaded", {"path": path}))
    except QueryFailed as failure:
        if failure.lacks_right:
            return True
        raise


def _write_step(server: Server, edit: FileEdit) -> Step:
    what = f"change {edit.path}; validate, and restore on an error"
    return Step(
        server.name, what, lambda: apply_edits(server, [edit], lambda: errors_of(server)), journalled=True
    )


def errors_of(server: Server) -> list[str]:
    """Return the errors that the server finds in the file pg_hba.conf as it is now."""
    rows: Iterable[Row] = server.query("hba_rules")
    return [f"{row['file_name']}:{row['line_number']}: {row['error']}" for row in rows if row["error"]]


def _hba_file(server: Server) -> str:
    if path := server.facts.hba_file:
        return path
    raise ParameterError(
        f"the login {server.facts.login!r} may not see where pg_hba.conf of {server.name} is",
        remedy="Connect as a superuser, or grant it pg_read_all_settings, pg_read_server_files and EXECUTE"
        " on pg_hba_file_rules().",
    )


def _precheck(server: Server, path: str, before: str, after: str) -> Checks:
    mounted = followed_key(server, path)
    kept_text = text_of(server, mounted) if mounted else read_file(server, path) or ""
    same, wrong = kept_text == before, errors_of(server)
    way_in, kept = _own_way_in(server, before, after)
    items = [
        Check(
            "pgnb's own connection",
            kept,
            way_in,
            "unchanged",
            "The rules would change how this login connects, or reject it: narrow them.",
        ),
        Check(
            "pg_hba.conf is as planned",
            same,
            "unchanged" if same else "changed",
            "unchanged",
            "Somebody changed it meanwhile: plan again.",
        ),
        Check(
            "no error in pg_hba.conf before the change",
            not wrong,
            "; ".join(wrong) or "none",
            "none",
            "One invalid line makes the whole reload fail, and the next start end with"
            " FATAL: correct it first.",
        ),
    ]
    return Checks.of(f"safe to change {path}", items, server.journal)


def _own_way_in(server: Server, before: str, after: str) -> tuple[str, bool]:
    """Return the rule that would decide about pgnb's own connection, and whether it is the same as now."""
    who = server.fetch_one("own_connection")
    client = Client(who["database"], server.login.user, who["address"], ssl=who["ssl"])
    now, then = decided_by(before, client), decided_by(after, client)
    return then.line if then else "no rule that is known for sure", now == then


def _fields_of(row: Row) -> tuple[object, ...]:
    where = f"{row['file_name']}:{row['line_number']}"
    if row["error"]:
        return where, "", "", "", "", "", ""
    rule = rule_of(row)
    return where, rule.type, rule.database, rule.user, rule.address, rule.method, rule.options


def _words(client: Client) -> str:
    what = "a replication connection" if client.replication else f"database {client.database}"
    return f"user {client.user} from {client.address or 'the socket'} to {what}"


def pod_networks(server: Server) -> tuple[str, ...]:
    """Return the ranges of pod addresses, as CIDR.

    They are the nodes' pod ranges, if these may be read and contain the server's own address; some networks
    assign addresses otherwise, and then it is the /16 (IPv6: /64) around the server's address.
    """
    address = ip_address(server.pod.ip)
    ranges = _ranges_of_nodes(server)
    if any(address in held for held in map(network, ranges) if held is not None):
        return ranges
    return (str(ip_network(f"{address}/{_FALLBACK_PREFIX[address.version]}", strict=False)),)


def _ranges_of_nodes(server: Server) -> tuple[str, ...]:
    try:
        nodes = server.cluster.list("nodes")
    except ClusterError:
        # Nodes are not in the namespace, and often may not be read; the fallback works without them.
        return ()
    found = (cidr for node in nodes for cidr in (node.get("spec") or {}).get("podCIDRs") or ())
    return tuple(sorted(set(found)))
