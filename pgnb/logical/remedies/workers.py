"""Raise the limits so that every subscription gets its workers."""

from __future__ import annotations

from collections.abc import Callable

from pgnb.core.checks import Checks
from pgnb.core.plan import Change, Confirmation
from pgnb.logical.remedies.subscription import PARAMETER
from pgnb.logical.workers import Workers
from pgnb.postgres import Server
from pgnb.postgres.config.configure import plan_settings
from pgnb.postgres.config.restart import restart_rights

SETTING = "max_logical_replication_workers"
_OTHERS = 4
"""Other background processes: the launcher, and a few for parallel queries."""


def plan_workers(subscriber: Server, *, allow_restart: bool = False) -> Change:
    """Plan the settings that give every subscription its worker; asks for the setting's name.

    They need a restart of the subscriber, which plan_pending_restart does. With `allow_restart` nothing is
    written if the right to restart it is missing. Raises as plan_settings.
    """
    found = Workers(**subscriber.fetch_one("logical/worker_room"))
    change = plan_settings(subscriber, _wanted(found), write_restart=True)
    why = f"{found.subscriptions} subscriptions and their copies need {found.needed} workers."
    if allow_restart:
        change.precheck = _with_rights(subscriber, change.precheck)
    change.confirmations = [*change.confirmations, Confirmation(PARAMETER, SETTING, why)]
    return change


def _with_rights(subscriber: Server, precheck: Callable[[], Checks] | None) -> Callable[[], Checks]:
    def check() -> Checks:
        rights = subscriber.cluster.access_checks(restart_rights(subscriber))
        return precheck() + rights if precheck else rights

    return check


def pending_workers(subscriber: Server) -> dict[str, int]:
    """Return those of the settings that are written and wait for a restart, for plan_pending_restart."""
    if not subscriber.present:
        return {}
    wanted = _wanted(Workers(**subscriber.fetch_one("logical/worker_room")))
    waiting = {setting.name for setting in subscriber.settings(wanted) if setting.pending_restart}
    return {setting: value for setting, value in wanted.items() if setting in waiting}


def _wanted(found: Workers) -> dict[str, int]:
    workers = max(found.needed, found.max_workers)
    return {SETTING: workers, "max_worker_processes": max(found.max_processes, workers + _OTHERS)}
