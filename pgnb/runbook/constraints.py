"""What each parameter may be, by its name: one table for `pgnb run`, plain papermill and JupyterLab.

Only what can be known without a server stands here; what depends on one is checked where it is used.
Sources: Kubernetes' documentation, "Object Names and IDs" and "Labels and Selectors"; PostgreSQL's manual,
"Identifiers and Key Words", 26.2.6.1 (slots) and "Parameter Names and Values".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from ipaddress import ip_network
from math import inf, isfinite
from typing import Any

from pgnb.core.errors import ParameterError
from pgnb.core.secrecy import masked_setting
from pgnb.core.tls import checked_tls
from pgnb.runbook.declaration import Parameter


@dataclass(frozen=True)
class Constraint:
    """`accepts` says whether one text or number will do, `wanted` what would; a list is checked by its items.

    `hidden`: the value may be a password by mistake, so no message repeats it. `own_form`: its form is
    checked in full, so it is not searched for secrets (`secret:NAME/KEY` would look like one). `needed`: a
    list of it has one item or more.
    """

    accepts: Callable[[Any], bool]
    wanted: str
    hidden: bool = False
    own_form: bool = False
    needed: bool = False

    def check(self, parameter: Parameter, value: Any) -> None:
        """Raise ParameterError for a value that this does not accept."""
        if self.needed and not value:
            raise ParameterError(f"{parameter.name} is empty", remedy=self.wanted)
        for item in value if isinstance(value, list) else [value]:
            if not (item == "" and parameter.may_be_empty) and not self.accepts(item):
                what = "is of another form" if self.hidden else f"cannot be {item!r}"
                raise ParameterError(f"{parameter.name} {what}", remedy=self.wanted)


def _matching(pattern: str) -> Callable[[Any], bool]:
    compiled = re.compile(pattern)
    return lambda value: isinstance(value, str) and bool(compiled.fullmatch(value))


def _between(least: float, most: float = inf, *, above: bool = False) -> Callable[[Any], bool]:
    return lambda value: isfinite(value) and least <= value <= most and not (above and value == least)


_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_DOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_LABEL_VALUE = r"([A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?)?"
_LABEL_KEY = rf"({_DOMAIN}/)?[A-Za-z0-9]([-\w.]{{0,61}}[A-Za-z0-9])?"
_REQUIREMENT = (
    rf"({_LABEL_KEY}\s*(=|==|!=)\s*{_LABEL_VALUE}"
    rf"|{_LABEL_KEY}\s+(in|notin)\s*\(\s*{_LABEL_VALUE}(\s*,\s*{_LABEL_VALUE})*\s*\)"
    rf"|!?\s*{_LABEL_KEY})"
)


def _is_network(value: Any) -> bool:
    try:
        return bool(ip_network(value, strict=False)) and "/" in value
    except ValueError:
        return False


def _is_identifier(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value.encode()) <= 63 and value.isprintable()


def _is_role(value: Any) -> bool:
    return _is_identifier(value) and value not in ("public", "none") and not value.startswith("pg_")


def _is_moment(value: Any) -> bool:
    try:
        return bool(datetime.fromisoformat(value))
    except ValueError:
        return False


def _are_settings(value: Any) -> bool:
    return all(re.fullmatch(r"[A-Za-z_][\w$]*(\.[A-Za-z_][\w$]*)?", name) for name in value)


def _are_paths(value: Any) -> bool:
    return all(str(path).startswith("/") for pair in value.items() for path in pair)


def _no_secret_in(value: Any) -> bool:
    """Whether no variable of a server is given a secret's own text."""
    env = value.get("env") or {}
    given = {name: one.get("value") for name, one in env.items() if isinstance(one, Mapping)}
    return not any(
        isinstance(text, str) and masked_setting(name, text) != text for name, text in given.items()
    )


_PLACE = Constraint(
    _matching(r"secret:[^/\s:]+/[^/\s]+|env:[A-Za-z_]\w*|passfile:\S.*|pod-env:[A-Za-z_][-\w.]*"),
    "Write secret:NAME/KEY, env:VARIABLE, passfile:PATH or pod-env:VARIABLE; never the password itself.",
    hidden=True,
    own_form=True,
)
_SELECTOR = Constraint(
    _matching(rf"\s*{_REQUIREMENT}(\s*,\s*{_REQUIREMENT})*\s*"),
    "Write a label selector as kubectl takes it: app=postgres,role=primary or app in (a, b).",
    own_form=True,
)
_OBJECT = Constraint(
    _matching(rf"(?=.{{1,253}}\Z){_DOMAIN}"),
    "A Kubernetes name has lower-case letters, digits, - and ., and begins and ends with a letter or digit.",
)
_NAME_LABEL = Constraint(
    _matching(_LABEL),
    "It has 1 to 63 lower-case letters, digits and -, and begins and ends with a letter or digit.",
)
_SLOT = Constraint(_matching(r"[a-z0-9_]{1,63}"), "Use 1 to 63 lower-case letters, digits and _.")
_SLOTS = Constraint(
    _matching(r"[a-z0-9_]{1,63}(\s*,\s*[a-z0-9_]{1,63})*"),
    "Write slots' names joined by a comma: lower-case letters, digits and _.",
)
_NETWORK = Constraint(
    _is_network,
    "Write CIDR: 10.244.0.0/16, or 10.0.0.7/32 for one address, as narrow as it is.",
    needed=True,
)
_ROLE = Constraint(_is_role, "Name a role: 1 to 63 bytes, not beginning with pg_, and not public or none.")
_DATABASE = Constraint(_is_identifier, "Name a database as it is written in pg_database: 1 to 63 bytes.")
_STANDBY_NAME = Constraint(
    _matching(r"[ -~]{1,63}"), "Use 1 to 63 ASCII characters: the server shows others as ?."
)
_QUANTITY = Constraint(
    _matching(r"\d+(\.\d+)?([KMGTPE]i|[kMGTPE])?"), "Write a size as Kubernetes takes it: 20Gi."
)
_SIZE = Constraint(
    _matching(r"-1|\d+(\.\d+)?\s*(B|kB|MB|GB|TB)?"), "Write a size as PostgreSQL takes it: 64MB, 10GB."
)
_IDENTIFIER = Constraint(_matching(r"\d{1,20}"), "Write the number that pg_control_system() shows.")
_MOMENT = Constraint(_is_moment, "Write it as 2026-01-31 or 2026-01-31T04:00:00+09:00.")
_TLS = Constraint(lambda value: checked_tls(value) is value, "Name libpq's TLS options.")
_SERVERS = Constraint(
    _no_secret_in,
    "A parameter is never a secret: name where it is kept, {secretKeyRef: {name: SECRET, key: KEY}}.",
    hidden=True,
)
_RATE = Constraint(_matching(r"\d+(\.\d+)?[kM]?"), "Write bytes a second as pg_basebackup takes them: 50M.")
_COMPRESSION = Constraint(
    _matching(r"server-(gzip|lz4|zstd)(:[\w=,]+)?"), "Write server-lz4, server-zstd or server-gzip."
)
_PATHS = Constraint(
    _are_paths,
    "Write whole paths: the tablespace's where it is copied from, and its place where it is copied to.",
)
_SETTINGS = Constraint(_are_settings, "Name settings as in pg_settings.")
_SECONDS = Constraint(_between(0, above=True), "Write a number above 0.")
_NUMBER = Constraint(_between(0), "Write a number, 0 or more.")
_COUNT = Constraint(_between(1), "Write a whole number, 1 or more.")

CONSTRAINTS: Mapping[str, Constraint] = {
    "*_password_from": _PLACE,
    "*_selector": _SELECTOR,
    "namespace": _NAME_LABEL,
    "*_container": _NAME_LABEL,
    "*_service": _NAME_LABEL,
    "*_config_map": _OBJECT,
    "*_secret": _OBJECT,
    "standby": _OBJECT,
    "subscriber": _OBJECT,
    "primary": _OBJECT,
    "candidate": _OBJECT,
    "confirm_gone": _OBJECT,
    "discard_diverged": _OBJECT,
    "wipe_*": _OBJECT,
    "slot": _SLOT,
    "desired_slots": _SLOT,
    "unwanted_slot": _SLOT,
    "drop_slot": _SLOT,
    "drop_slots": _SLOTS,
    "reuse_slots": _SLOTS,
    "allow_slot_loss": _SLOTS,
    "*_networks": _NETWORK,
    "replication_tls": _TLS,
    "tablespaces": _PATHS,
    "server_pods": _SERVERS,
    "rejoin_tablespaces": _PATHS,
    "max_rate": _RATE,
    "backup_compression": _COMPRESSION,
    "user": _DATABASE,
    "*_role": _ROLE,
    "*_owner": _DATABASE,
    "database": _DATABASE,
    "databases": _DATABASE,
    "skip_row_count": _DATABASE,
    "*_database": _DATABASE,
    "application_name": _STANDBY_NAME,
    "*_size": _QUANTITY,
    "slot_cap": _SIZE,
    "*_bytes_limit": _SIZE,
    "retained_limit": _SIZE,
    "expect_system_identifier": _IDENTIFIER,
    "last_backup": _MOMENT,
    "settings": _SETTINGS,
    "*_settings": _SETTINGS,
    "*_timeout": _SECONDS,
    "rate_seconds": _SECONDS,
    "lag_seconds_limit": _SECONDS,
    "sample_rate": Constraint(_between(0, 1000, above=True), "Write samples a second, above 0 to 1000."),
    "monitor_interval": Constraint(_between(0.05, 10), "Write seconds, 0.05 to 10."),
    "min_free": Constraint(_between(0, 100), "Write percent, 0 to 100."),
    "transactions": _COUNT,
    "log_lines": _COUNT,
}
"""By a parameter's name or a pattern of names; the first that fits counts."""

CHOICES: Mapping[str, tuple[frozenset[str], ...]] = {
    "dry_run": (frozenset({"true", "false", "auto"}),),
    "operation": (
        frozenset({"switchover", "failover", "rejoin"}),
        frozenset({"cutover", "failover", "clean", "abandon"}),
    ),
    "remedy": (frozenset({"", "enable", "refresh", "skip", "resync", "recreate", "workers"}),),
    "backup_checkpoint": (frozenset({"fast", "spread"}),),
    "rbac_roles": (
        frozenset({"pgnb-observe", "pgnb-configure", "pgnb-standby", "pgnb-online", "pgnb-failover"})
        | {"pgnb-logical", "pgnb-logical-failover"},
    ),
    "accept_not_copied": (
        frozenset({"large objects", "unlogged tables"})
        | {"timescaledb", "citus", "citus_columnar", "columnar", "bdr", "spock"},
    ),
}
"""The words that a parameter takes; of several sets it is the one that has the notebook's default."""


def constraint_of(parameter: Parameter) -> Constraint | None:
    """Return what a parameter may be, beside its type; None where nothing is known."""
    for words in CHOICES.get(parameter.name, ()):
        if parameter.default in ([], *words):
            listed = ", ".join(repr(word) for word in sorted(words))
            return Constraint(words.__contains__, f"Use one of {listed}.")
    if parameter.type == "bool":
        return None
    for pattern, constraint in CONSTRAINTS.items():
        if fnmatchcase(parameter.name, pattern):
            return constraint
    return _NUMBER if parameter.type in ("int", "float") else None


def control_characters(value: object, *, lines: bool) -> Iterator[str]:
    """Yield each control character in a value's texts, at any depth; with `lines`, tab and newline may be."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from control_characters(key, lines=lines)
            yield from control_characters(item, lines=lines)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from control_characters(item, lines=lines)
    elif isinstance(value, str):
        allowed = "\n\t\r" if lines else ""
        yield from (one for one in value if (ord(one) < 32 or ord(one) == 127) and one not in allowed)
