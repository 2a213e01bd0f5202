"""Compare a server with its ConfigMap, in both directions (fact 27)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from pgnb.core.checks import Check, Checks
from pgnb.postgres import Server
from pgnb.postgres.config.configmap import SETTINGS_KEY, drift
from pgnb.postgres.config.conftext import MANAGED_FILE

_OURS = (MANAGED_FILE, "postgresql.auto.conf")
_ROLE = ("primary_conninfo", "primary_slot_name", "restore_command", "recovery_target_timeline")
"""Settings of a standby's role, which belong only in its data directory."""


def config_map_of(server: Server, given: str) -> str:
    """Return the name of a server's ConfigMap: the given one, else the one in its pod with a postgresql.conf.

    Empty if there is none: the server then keeps its configuration in its own files only.
    """
    if given or not server.present:
        return given
    for mount in server.pod.mounts:
        found = server.cluster.get("configmaps", mount.name) if mount.source == "configMap" else None
        if found and SETTINGS_KEY in (found.get("data") or {}):
            return mount.name
    return ""


def drift_checks(primary: Server, config_maps: Mapping[Server, str]) -> Checks:
    """Check where a server and its ConfigMap differ. Only advice, since either may be the one to change."""
    items = [
        replace(check, name=f"{server.name}: {check.name}")
        for server, name in config_maps.items()
        if server.present
        for check in _of_server(server, name)
    ]
    return Checks.of("ConfigMaps and servers", items, primary.journal)


def _of_server(server: Server, name: str) -> Iterable[Check]:
    data = (server.cluster.get("configmaps", name) or {}).get("data") if name else None
    if not data:
        yield Check(
            "ConfigMap",
            False,
            "none",
            "one that keeps its configuration",
            "A pod that is recreated elsewhere would not have these settings (02, 03).",
            advice=True,
        )
        return
    found = drift(server, name)
    yield from found
    asked = {check.name.lower() for check in found}
    for row in server.query("file_settings"):
        ours = PurePosixPath(row["sourcefile"] or "").name in _OURS
        if ours and row["applied"] and row["name"] not in asked and row["name"] not in _ROLE:
            yield Check(
                str(row["name"]),
                False,
                f"not in configmap/{name}",
                row["setting"],
                "The server has it, its ConfigMap does not: run this notebook with this setting.",
                advice=True,
            )
