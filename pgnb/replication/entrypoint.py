"""Whether a server of the primary's image stays a standby when its container starts again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pgnb.errors import GateClosed
from pgnb.server import Server

_SCRIPTS = "/opt/bitnami/scripts/libpostgresql.sh"
"""Bitnami's image: at each start it removes standby.signal, unless POSTGRESQL_REPLICATION_MODE is slave."""
_FORGETS = ("grep", "-qs", "standby.signal", _SCRIPTS)


def refuse_forgetful(primary: Server, container: Mapping[str, Any]) -> None:
    """Raise GateClosed where the entry point of the primary's image would make a primary of a standby.

    A container whose own command begins with the server's program has no entry point before it.
    """
    words = [*(container.get("command") or ())]
    if words and words[0].rpartition("/")[2] == "postgres":
        return
    if primary.cluster.exec(primary.pod, _FORGETS, check=False).exit_status == 0:
        raise GateClosed(
            "the primary's image makes a standby a primary at the next start of its container",
            found=f"{_SCRIPTS} removes standby.signal",
            remedy="Let the chart make its standbys (architecture: replication), or give a manifest of your"
            " own (standby_manifest) whose command is the server's program: [postgres, -D, DIRECTORY].",
        )
