"""One rule of pg_hba.conf: validated, compared with another rule, matched with a client."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from pgnb.core.errors import ParameterError

TYPES = ("local", "host", "hostssl", "hostnossl", "hostgssenc", "hostnogssenc")
METHODS = (
    "trust",
    "reject",
    "scram-sha-256",
    "md5",
    "password",
    "gss",
    "sspi",
    "ident",
    "peer",
    "ldap",
    "radius",
    "cert",
    "pam",
    "bsd",
    "oauth",
)
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_$-]*\Z")
_EXCLUSIVE = ({"hostssl", "hostnossl"}, {"hostgssenc", "hostnogssenc"})

Network = IPv4Network | IPv6Network


@dataclass(frozen=True)
class Client:
    """A connection to be admitted; `address` is an IP address, or "" for the Unix socket."""

    database: str
    user: str
    address: str = ""
    replication: bool = False
    ssl: bool = False


@dataclass(frozen=True)
class HbaRule:
    """A rule; `database` and `user` may be lists with commas, `address` is a CIDR range, a name or `all`."""

    type: str
    database: str
    user: str
    address: str = ""
    method: str = "scram-sha-256"
    options: str = ""

    def checked(self) -> HbaRule:
        """Return the rule. Raises ParameterError if PostgreSQL would refuse it, or it can never match."""
        if self.type not in TYPES:
            raise ParameterError(
                f"not a type of pg_hba.conf: {self.type!r}", remedy=f"Use one of {', '.join(TYPES)}."
            )
        if self.method not in METHODS:
            raise ParameterError(
                f"not a method of pg_hba.conf: {self.method!r}", remedy=f"Use one of {', '.join(METHODS)}."
            )
        if (self.type == "local") == bool(self.address):
            raise ParameterError("a rule needs an address, unless its type is local", found=self.line)
        if not (self.database and self.user):
            raise ParameterError("a rule of pg_hba.conf needs a database and a user", found=self.line)
        self._check_address()
        return self

    def _check_address(self) -> None:
        if not re.match(r"[0-9.]+(/|\Z)|[0-9A-Fa-f]*:", self.address):
            return
        try:
            if "/" not in self.address:
                raise ValueError("no prefix length after the slash")
            ip_network(self.address)
        except ValueError as error:
            raise ParameterError(
                f"not a range of addresses: {self.address!r}",
                found=str(error),
                remedy="Write CIDR: 10.244.0.0/16, 192.0.2.7/32, fd00::/8.",
            ) from None

    @property
    def line(self) -> str:
        """The line of the file; names are quoted if necessary."""
        fields = (
            self.type,
            _quoted(self.database),
            _quoted(self.user),
            self.address,
            self.method,
            self.options,
        )
        return "  ".join(field for field in fields if field)

    def overlaps(self, other: HbaRule) -> bool:
        """Return whether some connection could match both; True if the text cannot tell."""
        return (
            _types_meet(self.type, other.type)
            and _lists_meet(self.database, other.database, _databases_meet)
            and _lists_meet(self.user, other.user, _users_meet)
            and _addresses_meet(self.address, other.address)
        )

    def covers(self, other: HbaRule) -> bool:
        """Return whether it decides every connection of the other rule in the same way."""
        return (
            (self.method, self.options) == (other.method, other.options)
            and (self.type == other.type or (self.type == "host" and other.type != "local"))
            and all(_database_covered(self.database, name) for name in other.database.split(","))
            and ("all" in self.user.split(",") or set(other.user.split(",")) <= set(self.user.split(",")))
            and _address_covered(self.address, other.address)
        )

    def matches(self, client: Client) -> bool | None:
        """Return whether it matches a client; None if only the server can tell (groups, samehost, names)."""
        verdicts = (
            self._type_matches(client),
            self._database_matches(client),
            _user_matches(self.user, client),
        )
        address = True if self.type == "local" else _address_matches(self.address, client.address)
        every = (*verdicts, address)
        if False in every:
            return False
        return None if None in every else True

    def _type_matches(self, client: Client) -> bool:
        if self.type == "local" or not client.address:
            return self.type == "local" and not client.address
        return {"hostssl": client.ssl, "hostnossl": not client.ssl, "hostgssenc": False}.get(self.type, True)

    def _database_matches(self, client: Client) -> bool | None:
        names = self.database.split(",")
        if client.replication:
            return "replication" in names
        if "all" in names or client.database in map(_bare, names):
            return True
        if "sameuser" in names and client.database == client.user:
            return True
        return None if any(_is_special(name) for name in names) else False


def _types_meet(one: str, other: str) -> bool:
    if "local" in (one, other):
        return one == other
    return {one, other} not in _EXCLUSIVE


def _lists_meet(one: str, other: str, meet: Callable[[str, str], bool]) -> bool:
    return any(meet(a, b) for a in one.split(",") for b in other.split(","))


def _databases_meet(one: str, other: str) -> bool:
    """Return whether the lists share a database; `all` does not match replication connections."""
    if "replication" in (one, other):
        return one == other
    return one == other or "all" in (one, other) or _is_special(one) or _is_special(other)


def _database_covered(names: str, desired: str) -> bool:
    return desired in names.split(",") or ("all" in names.split(",") and desired != "replication")


def _address_covered(address: str, desired: str) -> bool:
    if address in ("all", desired):
        return True
    outer, inner = network(address), network(desired)
    if isinstance(outer, IPv4Network) and isinstance(inner, IPv4Network):
        return inner.subnet_of(outer)
    if isinstance(outer, IPv6Network) and isinstance(inner, IPv6Network):
        return inner.subnet_of(outer)
    return False


def _users_meet(one: str, other: str) -> bool:
    return _bare(one) == _bare(other) or "all" in (one, other) or _is_special(one) or _is_special(other)


def _is_special(name: str) -> bool:
    """Return whether the text is a group, a file, a regular expression or a keyword.

    What these stand for is not in the text.
    """
    return name[:1] in "+@/" or name in ("sameuser", "samerole", "samegroup")


def _user_matches(names: str, client: Client) -> bool | None:
    every = names.split(",")
    if "all" in every or client.user in map(_bare, every):
        return True
    return None if any(_is_special(name) for name in every) else False


def network(address: str) -> Network | None:
    """Return a range of addresses; None for a name, samehost and samenet."""
    try:
        return ip_network(address, strict=False)
    except ValueError:
        return None


def _addresses_meet(one: str, other: str) -> bool:
    a, b = network(one), network(other)
    if a is None or b is None:
        return True
    return a.version == b.version and a.overlaps(b)


def _address_matches(rule: str, client: str) -> bool | None:
    if rule == "all":
        return True
    ranged = network(rule)
    return None if ranged is None else ip_address(client) in ranged


def _bare(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def _quoted(names: str) -> str:
    return ",".join(
        name if name.startswith('"') or _is_special(name) or _PLAIN.match(name) else '"' + name + '"'
        for name in names.split(",")
    )


def replication_rules(role: str, networks: Sequence[str], *, tls: bool) -> tuple[HbaRule, ...]:
    """Return the rules by which a role replicates from networks (CIDR) with scram-sha-256.

    Their type is hostssl if TLS is on. Raises ParameterError for an invalid network, and for none.
    """
    if not networks:
        raise ParameterError(
            "no network of the standbys is given",
            remedy="Give the cluster's pod network, such as 10.244.0.0/16, as narrow as possible.",
        )
    kind = "hostssl" if tls else "host"
    return tuple(HbaRule(kind, "replication", role, one, "scram-sha-256").checked() for one in networks)
