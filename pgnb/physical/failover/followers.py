"""Plans for the other servers after a change of roles: rejoin of the old primary, re-pointed standbys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pgnb.core.errors import NotFound
from pgnb.core.plan import Change, Step
from pgnb.physical.failover.participants import RoleChange
from pgnb.physical.rejoin import plan_rejoin_server
from pgnb.physical.repoint import plan_repoint
from pgnb.physical.standby_spec import StandbySpec
from pgnb.postgres import Server
from pgnb.postgres.config.configmap import read_config_map
from pgnb.postgres.config.configure import plan_settings
from pgnb.postgres.source import Source


def plan_rejoin(
    role_change: RoleChange,
    spec: StandbySpec,
    source: Source,
    *,
    discard_diverged: str = "",
    wipe_standby_data: str = "",
) -> Change:
    """Plan to make the old primary a standby of the new one, by the least invasive method.

    It gets the slot and the application_name that the candidate had; workload, container and data directory
    are those of the old primary, whatever `spec` has. Empty for the operation `failover`, which leaves it
    fenced. Before the roles have changed, a plan-only run only names the plan. Confirmations and errors are
    those of `plan_rejoin_server`.
    """
    title, old = f"{role_change.old.name} rejoins as a standby", role_change.old
    if role_change.operation == "failover":
        return Change(
            title, role_change.cluster.journal, note="It stays fenced; operation = rejoin makes it a standby."
        )
    if not role_change.done:
        what = f"{old.name} follows {role_change.candidate.name} through the slot {spec.slot}"
        return _later(title, role_change, what)
    directory = old.target.data_directory if old.target else ""
    change = plan_rejoin_server(
        role_change.candidate,
        replace(spec, name=old.workload.name, container=old.container, data_directory=directory),
        source,
        discard_diverged=discard_diverged,
        wipe_standby_data=wipe_standby_data,
    )
    return _timed(role_change, change, "rejoin the old primary")


def plan_followers(role_change: RoleChange, source: Source, *, start_timeout: float = 300.0) -> Change:
    """Plan to make every other standby follow the new primary, each through its own slot there.

    `start_timeout` in seconds, for a pod that must be restarted for it.
    """
    title = "Other standbys follow the new primary"
    if not role_change.others:
        return Change(title, role_change.cluster.journal, note="There are no other standbys.")
    if not role_change.done:
        return _later(
            title, role_change, f"{', '.join(one.name for one in role_change.others)}: slot, then connection"
        )
    plans = [
        plan_repoint(one, role_change.candidate, source, _slot_of(one), start_timeout=start_timeout)
        for one in role_change.others
    ]
    change = Change.combine(title, role_change.cluster.journal, plans)
    # Nothing leads back to the old primary but another change of roles.
    change.undo, change.undo_text = None, ""
    return _timed(role_change, change, "re-point the other standbys")


def plan_primary_settings(role_change: RoleChange, config_map: str) -> Change:
    """Plan to give the new primary the settings of the primary's ConfigMap; as a standby it had others.

    Empty before the roles have changed, and if the ConfigMap does not exist.
    """
    title = f"Settings of the primary on {role_change.candidate.name}"
    if not role_change.done:
        return _later(title, role_change, f"the settings of the ConfigMap {config_map}")
    try:
        desired = read_config_map(role_change.candidate, config_map).settings
    except NotFound:
        return Change(title, role_change.cluster.journal, note=f"There is no ConfigMap {config_map}.")
    return plan_settings(role_change.candidate, desired)


def _slot_of(standby: Server) -> str:
    return str(standby.scalar("SHOW primary_slot_name")) or standby.pod.name.replace("-", "_")


def _later(title: str, role_change: RoleChange, what: str) -> Change:
    """Return a plan that only names what a run that applies will plan after the roles have changed."""
    steps = [Step(role_change.old.name, what, lambda: "")] if role_change.cluster.dry_run else []
    return Change(
        title, role_change.cluster.journal, steps=steps, note="Planned after the roles have changed."
    )


def _timed(role_change: RoleChange, change: Change, phase: str) -> Change:
    """Return the same change, timed as one phase of the change of roles."""

    def run(step: Step) -> Callable[[], str]:
        def timed() -> str:
            with role_change.phase(phase):
                return step.run()

        return timed

    change.steps = [Step(s.target, s.what, run(s), s.journalled) for s in change.steps]
    return change
