"""The standby's own connection, tried out where the standby runs: as its receiver connects, once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files

from pgnb.cluster import Cluster
from pgnb.core.errors import ClusterError, DeadlineExceeded
from pgnb.diagnosis.physical.observation import Reach, ServerSeen
from pgnb.physical.proof import Proof, read_proofs
from pgnb.postgres.conninfo import conninfo

_PAIR = re.compile(r"(\w+)\s*=\s*('(?:\\.|[^'\\])*'|[^\s']*)")
_ESCAPED = re.compile(r"\\(.)")
_TIMEOUT = 40.0


def connection_parts(text: str) -> Mapping[str, str]:
    """The pairs of a connection's text (keyword = value), unquoted; the last of a keyword counts."""
    return {key: _ESCAPED.sub(r"\1", value.strip("'")) for key, value in _PAIR.findall(text)}


def reach_of(cluster: Cluster, standby: ServerSeen) -> Reach | None:
    """Try out what a standby's primary_conninfo says, from its container; None where there is nothing to try.

    The password never stands in an argument: it is libpq's own matter (a passfile, the container's
    environment), or goes in by standard input.
    """
    text = standby.condition.settings.get("primary_conninfo", "") if standby.condition else ""
    parts = dict(connection_parts(text or ""))
    if not parts.get("host") or not standby.facts.in_recovery:
        return None
    host, port = parts["host"], parts.get("port", "5432")
    password = parts.pop("password", "")
    script = (files("pgnb.diagnosis.physical") / "probe.sh").read_text(encoding="utf-8")
    argv = ["sh", "-c", script, "pgnb", host, port, standby.facts.bin_dir, conninfo(parts)]
    proofs = _proofs(cluster, standby, argv, f"{password}\n")
    return Reach(host, port, parts.get("user", ""), proofs)


def _proofs(cluster: Cluster, standby: ServerSeen, argv: list[str], given: str) -> Mapping[str, Proof]:
    try:
        return read_proofs(cluster.exec(standby.pod, argv, stdin=given.encode(), timeout=_TIMEOUT).text)
    except (ClusterError, DeadlineExceeded):
        # Without the right to exec, or without a shell in the image, the log must do.
        return {}
