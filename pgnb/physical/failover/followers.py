"""Everybody else after the roles have changed: the old primary as a standby, the others re-pointed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pgnb.core.checks import Checks
from pgnb.core.errors import NotFound
from pgnb.core.plan import Change, Step
from pgnb.physical.failover.succession import Succession
from pgnb.physical.rejoin import plan_rejoin
from pgnb.physical.repoint import plan_repoint
from pgnb.postgres import Server
from pgnb.postgres.config.configmap import read_config_map
from pgnb.postgres.config.configure import plan_settings
from pgnb.postgres.source import Source


def plan_return(
    pair: Succession,
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
    Confirmations, and what is raised: see `plan_rejoin`.
    """
    title, old = f"{pair.old.name} returns as a standby", pair.old
    if pair.path == "failover":
        return Change(title, pair.cluster.journal, note="It stays fenced; path = rejoin brings it back.")
    if not pair.done:
        return _later(title, pair, f"{old.name} follows {pair.candidate.name} through the slot {slot}")
    change = plan_rejoin(
        old.workload.name,
        pair.candidate,
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
    return _timed(pair, change, "the old primary returns")


def plan_followers(pair: Succession, source: Source, *, start_timeout: float = 300.0) -> Change:
    """Every other standby led to the new primary, each through a slot of its own there.

    One whose pod must start again for that has `start_timeout` seconds.
    """
    title = "Other standbys follow the new primary"
    if not pair.others:
        return Change(title, pair.cluster.journal, note="There are no others.")
    if not pair.done:
        return _later(title, pair, f"{', '.join(one.name for one in pair.others)}: slot, then connection")
    plans = [
        plan_repoint(one, pair.candidate, source, _slot_of(one), start_timeout=start_timeout)
        for one in pair.others
    ]
    return _timed(pair, _together(title, pair, plans), "other standbys follow")


def plan_settings_of_primary(pair: Succession, config_map: str) -> Change:
    """What the primary's ConfigMap asks for, given to the new primary: a standby's own settings were others.

    Empty before the roles have changed, and where there is no such ConfigMap.
    """
    title = f"Settings of the primary on {pair.candidate.name}"
    if not pair.done:
        return _later(title, pair, f"the settings of the ConfigMap {config_map}")
    try:
        wished = read_config_map(pair.candidate, config_map).settings
    except NotFound:
        return Change(title, pair.cluster.journal, note=f"There is no ConfigMap {config_map}.")
    return plan_settings(pair.candidate, wished)


def _slot_of(standby: Server) -> str:
    return str(standby.scalar("SHOW primary_slot_name")) or standby.pod.name.replace("-", "_")


def _later(title: str, pair: Succession, what: str) -> Change:
    """A plan that can only be made once the roles have changed; a run that applies makes it then."""
    steps = [Step(pair.old.name, what, lambda: "")] if pair.cluster.dry_run else []
    return Change(title, pair.cluster.journal, steps=steps, note="Planned once the roles have changed.")


def _timed(pair: Succession, change: Change, phase: str) -> Change:
    """The same change, as one phase of the succession."""

    def run(step: Step) -> Callable[[], str]:
        def timed() -> str:
            with pair.phase(phase):
                return step.run()

        return timed

    change.steps = [Step(s.target, s.what, run(s), s.journalled) for s in change.steps]
    return change


def _together(title: str, pair: Succession, plans: Sequence[Change]) -> Change:
    """Several plans as one."""
    real = [plan for plan in plans if plan]
    return Change(
        title,
        pair.cluster.journal,
        "".join(p.before for p in real),
        "".join(p.after for p in real),
        [step for plan in real for step in plan.steps],
        note=" ".join(dict.fromkeys(p.note for p in plans if p.note)),
        confirmations=[c for plan in real for c in plan.confirmations],
        precheck=lambda: _all_prechecks(title, pair, real),
    )


def _all_prechecks(title: str, pair: Succession, plans: Sequence[Change]) -> Checks:
    found = [plan.precheck() for plan in plans if plan.precheck is not None]
    return Checks.of(title, [item for checks in found for item in checks], pair.cluster.journal)
