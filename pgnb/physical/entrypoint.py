"""Find out whether a server keeps its role when its container starts again.

Bitnami's entry point removes standby.signal at each start, and creates it again if the variable
POSTGRESQL_REPLICATION_MODE is slave. So a standby may start as a second primary, and a promoted server as a
standby.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pgnb.core.checks import Check
from pgnb.core.errors import GateClosed
from pgnb.postgres import Server

_SCRIPTS = "/opt/bitnami/scripts/libpostgresql.sh"
_DECIDES = ("grep", "-qs", "standby.signal", _SCRIPTS)
_MODES = ("POSTGRESQL_REPLICATION_MODE", "POSTGRES_REPLICATION_MODE")
_REMEDY = (
    "Let the chart create standbys (architecture: replication) and change roles, or run the server by"
    " your own"
    " manifest (standby_manifest) with the command [postgres, -D, DIRECTORY]."
)


def refuse_forgetful(primary: Server, container: Mapping[str, Any]) -> None:
    """Raise GateClosed if a standby with the primary's image in that container would not stay a standby."""
    if _by_entry_point(container) and not _is_slave(container) and _decides(primary):
        raise GateClosed(
            "with the primary's image a standby becomes a primary at the next start of its container",
            found=f"{_SCRIPTS} removes standby.signal",
            remedy=_REMEDY,
        )


def role_checks(old: Server, candidate: Server) -> Iterator[Check]:
    """Check that both servers keep their new roles after a restart of their containers."""
    for what, server, wrong in (
        ("the old primary would stay a standby", old, not _is_slave(old.pod.container_spec)),
        ("the candidate would stay a primary", candidate, _is_slave(candidate.pod.container_spec)),
    ):
        decided = wrong and _by_entry_point(server.pod.container_spec) and _decides(server)
        found = f"no: {_SCRIPTS} decides at each start" if decided else "yes"
        yield Check(what, not decided, found, "yes", _REMEDY)


def _decides(server: Server) -> bool:
    """Whether the image of the running container has that entry point."""
    return server.cluster.exec(server.pod, _DECIDES, check=False).exit_status == 0


def _by_entry_point(container: Mapping[str, Any]) -> bool:
    words = list(container.get("command") or ())
    return not words or words[0].rpartition("/")[2] != "postgres"


def _is_slave(container: Mapping[str, Any]) -> bool:
    return any(e["name"] in _MODES and e.get("value") == "slave" for e in container.get("env") or ())
