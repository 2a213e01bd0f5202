"""What can be found: each kind's title, how bad it is, and what of a server it concerns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pgnb.findings import Severity

AREAS = ("pod", "disk", "configuration", "role", "history", "connection", "slot", "replay")


@dataclass(frozen=True)
class Kind:
    """A kind of finding."""

    title: str
    severity: Severity
    area: str


KINDS: Mapping[str, Kind] = {
    "no-pod": Kind("no pod", "broken", "pod"),
    "several-pods": Kind("several pods are taken for the primary", "danger", "pod"),
    "pod-not-ready": Kind("the pod is not Ready", "broken", "pod"),
    "no-session": Kind("the server cannot be asked", "broken", "pod"),
    "disk-nearly-full": Kind("the disk is nearly full", "danger", "disk"),
    "disk-full": Kind("the disk is full", "broken", "disk"),
    "broken-configuration": Kind("a broken line in the configuration", "danger", "configuration"),
    "broken-hba": Kind("a broken line in pg_hba.conf", "danger", "configuration"),
    "pending-restart": Kind("settings wait for a restart", "advice", "configuration"),
    "application-name": Kind("application_name is not in force", "danger", "configuration"),
    "no-primary": Kind("the primary is in recovery", "broken", "role"),
    "role-change": Kind("a change of roles was begun and has not ended", "danger", "role"),
    "split-brain": Kind("the standby is not in recovery (split brain)", "broken", "role"),
    "other-system": Kind("another database cluster (system identifier)", "broken", "history"),
    "other-timeline": Kind("another timeline", "broken", "history"),
    "unreachable": Kind("the primary is not reached by its name", "broken", "connection"),
    "hba-rejects": Kind("pg_hba.conf does not let the standby in", "broken", "connection"),
    "wrong-password": Kind("the password is wrong", "broken", "connection"),
    "no-replication": Kind("the role may not replicate", "broken", "connection"),
    "no-free-sender": Kind("no walsender is free", "broken", "connection"),
    "receiver-dead": Kind("no receiver is at work", "broken", "connection"),
    "slot-missing": Kind("the slot is not there", "broken", "slot"),
    "slot-in-use": Kind("the slot is in use by another", "broken", "slot"),
    "slot-lost": Kind("the slot is lost", "broken", "slot"),
    "slot-at-risk": Kind("the slot is about to be lost", "danger", "slot"),
    "slot-not-used": Kind("the standby streams without its slot", "danger", "slot"),
    "slot-for-nobody": Kind("a slot keeps WAL for nobody", "danger", "slot"),
    "wal-removed": Kind("WAL that the standby needs was removed", "broken", "slot"),
    "setting-too-low": Kind("a setting is lower than the primary's", "broken", "replay"),
    "replay-paused": Kind("replay is paused", "broken", "replay"),
}
