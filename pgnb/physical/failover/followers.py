"""Everybody else after the roles have changed: the old primary as a standby, the others re-pointed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pgnb.core.checks import Checks
from pgnb.core.errors import NotFound
from pgnb.core.plan import Change, Step
from pgnb.physical.failover.participants import RoleChange
from pgnb.physical.rejoin import plan_rejoin_server
from pgnb.physical.repoint import plan_repoint
from pgnb.postgres import Server
from pgnb.postgres.config.configmap import read_config_map
from pgnb.postgres.config.configure import plan_settings
from pgnb.postgres.source import Source


def plan_rejoin(
    role_change: RoleChange,
    source: Source,
    *,
    slot: str,
    application_name: str,
    config_map: str = "",
    discard_diverged: str = "",
    wipe_standby_data: str = "",
    start_timeout: float = 300.0,
    tablespaces: Mapping[str, str] | None = None,
) -> Change:
    """The old primary as a standby of the new one, the gentlest way that its data allow.

    It takes the slot's and the standby's name that the candidate had. Empty on the path `failover`, which
    leaves it fenced. In a plan-only run before the roles have changed, the plan is only named.
    `start_timeout` in seconds, for each pod to start. `tablespaces` maps paths, for a base backup.
    Confirmations, and what is raised: see `plan_rejoin_server`.
    """
    title, old = f"{role_change.old.name} returns as a standby", role_change.old
    if role_change.operation == "failover":
        return Change(
            title, role_change.cluster.journal, note="It stays fenced; operation = rejoin brings it back."
        )
    if not role_change.done:
        return _later(
            title, role_change, f"{old.name} follows {role_change.candidate.name} through the slot {slot}"
        )
    change = plan_rejoin_server(
        old.workload.name,
        role_change.candidate,
        source=source,
        slot=slot,
        application_name=application_name,
        config_map=config_map,
        discard_diverged=discard_diverged,
        wipe_standby_data=wipe_standby_data,
        container=old.container,
        data_directory=old.target.data_directory if old.target else "",
        start_timeout=start_timeout,
        tablespaces=tablespaces,
    )
    return _timed(role_change, change, "the old primary returns")


def plan_followers(role_change: RoleChange, source: Source, *, start_timeout: float = 300.0) -> Change:
    """Every other standby led to the new primary, each through a slot of its own there.

    One whose pod must start again for that has `start_timeout` seconds.
    """
    title = "Other standbys follow the new primary"
    if not role_change.others:
        return Change(title, role_change.cluster.journal, note="There are no others.")
    if not role_change.done:
        return _later(
            title, role_change, f"{', '.join(one.name for one in role_change.others)}: slot, then connection"
        )
    plans = [
        plan_repoint(one, role_change.candidate, source, _slot_of(one), start_timeout=start_timeout)
        for one in role_change.others
    ]
    return _timed(role_change, _together(title, role_change, plans), "other standbys follow")


def plan_primary_settings(role_change: RoleChange, config_map: str) -> Change:
    """What the primary's ConfigMap asks for, given to the new primary: a standby's own settings were others.

    Empty before the roles have changed, and where there is no such ConfigMap.
    """
    title = f"Settings of the primary on {role_change.candidate.name}"
    if not role_change.done:
        return _later(title, role_change, f"the settings of the ConfigMap {config_map}")
    try:
        wished = read_config_map(role_change.candidate, config_map).settings
    except NotFound:
        return Change(title, role_change.cluster.journal, note=f"There is no ConfigMap {config_map}.")
    return plan_settings(role_change.candidate, wished)


def _slot_of(standby: Server) -> str:
    return str(standby.scalar("SHOW primary_slot_name")) or standby.pod.name.replace("-", "_")


def _later(title: str, role_change: RoleChange, what: str) -> Change:
    """A plan that can only be made once the roles have changed; a run that applies makes it then."""
    steps = [Step(role_change.old.name, what, lambda: "")] if role_change.cluster.dry_run else []
    return Change(
        title, role_change.cluster.journal, steps=steps, note="Planned once the roles have changed."
    )


def _timed(role_change: RoleChange, change: Change, phase: str) -> Change:
    """The same change, as one phase of the succession."""

    def run(step: Step) -> Callable[[], str]:
        def timed() -> str:
            with role_change.phase(phase):
                return step.run()

        return timed

    change.steps = [Step(s.target, s.what, run(s), s.journalled) for s in change.steps]
    return change


def _together(title: str, role_change: RoleChange, plans: Sequence[Change]) -> Change:
    """Several plans as one."""
    real = [plan for plan in plans if plan]
    return Change(
        title,
        role_change.cluster.journal,
        "".join(p.before for p in real),
        "".join(p.after for p in real),
        [step for plan in real for step in plan.steps],
        note=" ".join(dict.fromkeys(p.note for p in plans if p.note)),
        confirmations=[c for plan in real for c in plan.confirmations],
        precheck=lambda: _all_prechecks(title, role_change, real),
    )


def _all_prechecks(title: str, role_change: RoleChange, plans: Sequence[Change]) -> Checks:
    found = [plan.precheck() for plan in plans if plan.precheck is not None]
    return Checks.of(title, [item for checks in found for item in checks], role_change.cluster.journal)
