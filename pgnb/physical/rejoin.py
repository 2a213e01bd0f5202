"""Rejoin an old primary as a standby of the new one (section 9), by the least invasive method.

By primary_conninfo alone, if it wrote nothing after the fork. By pg_rewind, if all changed pages can be
found and the WAL is still there. Otherwise by a new base backup. The first two keep its own configuration.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from pgnb.cluster.security import User
from pgnb.core.errors import GateClosed, NotFound, WrongServer
from pgnb.core.plan import Change, Confirmation, Step
from pgnb.physical.basebackup import (
    assert_not_the_primary,
    assert_slot,
    config_settings,
    look_at,
    plan_base_backup,
    running_pod,
)
from pgnb.physical.bootstrap import Bootstrap
from pgnb.physical.data_directory import DataDirectory
from pgnb.physical.entrypoint import refuse_forgetful
from pgnb.physical.install import Role
from pgnb.physical.login import login_step, logs_in
from pgnb.physical.manifest import data_owner
from pgnb.physical.old_primary_data import OldPrimaryData, read_old_primary_data
from pgnb.physical.rejoin_in_place import RejoinInPlace
from pgnb.physical.rejoin_method import RejoinMethod, choose_method
from pgnb.physical.sizing import standby_limits
from pgnb.physical.slots import plan_slot, slots
from pgnb.physical.standby_spec import StandbySpec
from pgnb.physical.streaming import streams_already
from pgnb.physical.target import Target, find_target, inspect
from pgnb.physical.timelines import history_of
from pgnb.postgres import Server
from pgnb.postgres.source import Source


@dataclass(repr=False)
class Rejoin(Change):
    """A change with its rejoin method; "" if there is nothing to do, or in a plan-only run.

    `old_data` is what was found in the old primary's data; None if they were not read.
    """

    method: RejoinMethod | Literal[""] = field(default="", repr=False)
    old_data: OldPrimaryData | None = field(default=None, repr=False)


@dataclass(frozen=True)
class _Work:
    """The old primary, as it is and as it shall be, and the server that it shall follow."""

    new_primary: Server
    target: Target
    spec: StandbySpec
    source: Source

    @property
    def title(self) -> str:
        return f"rejoin of {self.target.name}"


def plan_rejoin_server(
    new_primary: Server,
    spec: StandbySpec,
    source: Source,
    *,
    method: str = "auto",
    discard_diverged: str = "",
    wipe_standby_data: str = "",
) -> Rejoin:
    """Plan to make a stopped workload a streaming standby of `new_primary`; empty if it is one.

    A helper pod reads its data; a plan-only run starts none, so that it does not know the method. `source`
    leads to the new primary, where the slot is created first. Without a ConfigMap in `spec` it keeps its own
    settings; tablespaces are for a base backup. `method` is auto, follow, rewind or base backup.

    Two confirmations, by the gate or as arguments: `discard_diverged`, the workload's name, if pg_rewind
    drops committed transactions; `wipe_standby_data`, its claim, if a base backup replaces its data. Raises
    GateClosed while it runs, or for an image that runs no standby, and ParameterError for a method that its
    data do not allow.
    """
    title = f"rejoin of {spec.name}"
    if not new_primary.present:
        return _unseen(new_primary, spec.name, title)
    cluster = new_primary.cluster
    target = find_target(cluster, spec.name, container=spec.container, data_directory=spec.data_directory)
    if target is None:
        return _unseen(new_primary, spec.name, title)
    target = replace(target, start_timeout=spec.start_timeout)
    work = _Work(new_primary, target, spec, source)
    if _follows_already(work):
        return Rejoin(
            title, new_primary.journal, note=f"{target.name} already streams from {new_primary.name}."
        )
    if target.pod.image == new_primary.pod.image:
        refuse_forgetful(new_primary, target.pod.container_spec)
    if cluster.dry_run:
        return _unseen(new_primary, target.name, title)
    _assert_ready(work)
    change = _by_its_data(work, method, wipe_standby_data)
    if change.method != "base backup":
        change.granted |= {c.parameter for c in change.confirmations if discard_diverged == c.value}
    return change


def _by_its_data(work: _Work, method: str, wipe_standby_data: str) -> Rejoin:
    """Plan by the method that its data allow, or the requested one."""
    new_primary = work.new_primary
    state, old_data = _look(new_primary, work.target)
    owner = state.owner or data_owner(new_primary)
    oldest = str(new_primary.scalar("physical/oldest_segment"))
    spaces = state.found.get("tablespaces", "0") != "0"
    chosen, why = choose_method(old_data, oldest, tablespaces=spaces, requested=method)
    if chosen == "base backup":
        return _by_base_backup(work, old_data, owner, why, wipe_standby_data)
    assert old_data is not None
    change = _in_place(work, old_data, owner, chosen)
    change.note = f"{old_data.summary}. {_words(chosen, why)}"
    change.confirmations = _confirmations(old_data, chosen, work.target.workload.name)
    return change


def _unseen(new_primary: Server, name: str, title: str) -> Rejoin:
    if not new_primary.journal.dry_run:
        raise NotFound(
            f"there is no Deployment or StatefulSet {name}",
            remedy="Set primary to the workload of the old primary.",
        )
    what = "read its data; then rejoin by primary_conninfo alone, by pg_rewind, or by a new base backup"
    steps = [Step(name, what, lambda: "")]
    note = "A plan-only run starts no helper pod, so the method is not known yet."
    return Rejoin(
        title, new_primary.journal, "", "a streaming standby of the new primary\n", steps, note=note
    )


def _follows_already(work: _Work) -> bool:
    new_primary, target, spec = work.new_primary, work.target, work.spec
    pod = running_pod(new_primary.cluster, target)
    if pod is None or new_primary.facts.in_recovery:
        return False
    state = look_at(new_primary, target, data_owner(new_primary), pod)
    slot = slots(new_primary).find(spec.slot)
    return state is not None and streams_already(new_primary, pod, state, slot, spec.application_name)


def _assert_ready(work: _Work) -> None:
    """Raise an error unless there is a new primary with a free slot, and the old primary is stopped."""
    new_primary, target, cluster = work.new_primary, work.target, work.new_primary.cluster
    facts = new_primary.refresh()
    if facts.in_recovery:
        raise WrongServer(
            f"{new_primary.name} is a standby",
            found="pg_is_in_recovery() is true",
            remedy="Promote it first.",
        )
    assert_not_the_primary(new_primary, target)
    if (found := slots(new_primary).find(work.spec.slot)) is not None:
        assert_slot(cluster, target, found, work.spec)
    pods = cluster.pods(target.workload.selector, target.pod.container)
    if target.workload.replicas or pods:
        names = ", ".join(pod.name for pod in pods) or "no pod yet"
        raise GateClosed(
            f"{target.name} is not stopped",
            found=f"scaled to {target.workload.replicas}: {names}",
            remedy="Fence it first: scale it to 0 and wait until every pod is gone (section 9).",
        )


def _look(new_primary: Server, target: Target) -> tuple[DataDirectory, OldPrimaryData | None]:
    """Read its volume; without old_data if that is not of this database cluster.

    It is read as the owner of the new primary's data, or as the data's own owner if that is another user.
    """
    first = data_owner(new_primary)
    state, old_data = _look_as(first, new_primary, target)
    other_owner = state.kind == "unreadable" and state.owner not in (None, first)
    return _look_as(state.owner or first, new_primary, target) if other_owner else (state, old_data)


def _look_as(owner: User, new_primary: Server, target: Target) -> tuple[DataDirectory, OldPrimaryData | None]:
    bin_dir = new_primary.facts.bin_dir
    spec = target.helper("pgnb-inspect", (), uid=owner.uid, gid=owner.gid)
    with new_primary.cluster.helper(spec, lifetime=3600) as helper:
        state = inspect(helper.exec, target.directory, target.root, bin_dir)
        ours = state.system_identifier == new_primary.facts.system_identifier
        if state.kind != "cluster" or not ours:
            return state, None
        return state, read_old_primary_data(helper, target.directory, bin_dir, history_of(new_primary))


def _before_starting(work: _Work, owner: User) -> list[Step]:
    """Return the first steps: create the slot, since it keeps the WAL from then on; then the passfile."""
    slot = plan_slot(work.new_primary, work.spec.slot, consumer=work.spec.application_name)
    cluster, workload, container = work.new_primary.cluster, work.target.workload, work.target.pod.container
    if logs_in(workload, container, work.source, owner):
        return [*slot.steps]
    return [*slot.steps, login_step(cluster, workload, container, work.source, owner)]


def _in_place(work: _Work, old_data: OldPrimaryData, owner: User, method: RejoinMethod) -> Rejoin:
    new_primary, target, spec, source = work.new_primary, work.target, work.spec, work.source
    settings = config_settings(new_primary, spec.config_map)
    role = Role(source.connection(spec.application_name), spec.slot, settings, standby_limits(new_primary))
    start = Bootstrap(new_primary, target, spec, source, role, owner, interrupted=False, replacing=False)
    acts = RejoinInPlace(start, old_data, new_primary.facts.timeline)
    steps = acts.follow_steps() if method == "follow" else acts.rewind_steps()
    place = f"{target.directory} on claim {target.claim}"
    after = (
        f"{place}: a standby of {new_primary.name}\n  primary_conninfo = {role.connection}\n"
        f"  primary_slot_name = {role.slot}\nreplicas: 1\n"
    )
    return Rejoin(
        work.title,
        new_primary.journal,
        f"{place}: {old_data.summary}\nreplicas: 0\n",
        after,
        [*_before_starting(work, owner), *steps],
        undo_text=f"scale {target.name} to 0",
        precheck=acts.precheck,
        method=method,
        old_data=old_data,
    )


def _confirmations(old_data: OldPrimaryData, method: RejoinMethod, old: str) -> list[Confirmation]:
    lost = old_data.divergence
    if method != "rewind" or lost is None or not lost.loses:
        return []
    why = f"pg_rewind drops what {old} committed and the new primary never received: {lost.summary}."
    return [Confirmation("discard_diverged", old, why)]


def _by_base_backup(
    work: _Work, old_data: OldPrimaryData | None, owner: User, why: str, wipe_standby_data: str
) -> Rejoin:
    change = plan_base_backup(
        work.new_primary, work.spec, work.source, wipe_standby_data=wipe_standby_data, slot_to_come=True
    )
    steps = [*_before_starting(work, owner), *change.steps]
    if old_data is not None and old_data.control.rewind_interrupted:
        steps.insert(0, _clear_step(work.new_primary, work.target))
    return Rejoin(
        work.title,
        work.new_primary.journal,
        change.before,
        change.after,
        steps,
        f"{_words('base backup', why)} {change.note}",
        change.undo_text,
        change.confirmations,
        change.precheck,
        change.undo,
        change.granted,
        method="base backup",
        old_data=old_data,
    )


def _clear_step(new_primary: Server, target: Target) -> Step:
    """Return a step that removes what an interrupted pg_rewind kept; the base backup has its own files."""
    kept, owner = f"{target.directory}.pgnb-kept", data_owner(new_primary)

    def run() -> str:
        spec = target.helper("pgnb-rejoin", ("rm", "-rf", "--", kept), uid=owner.uid, gid=owner.gid)
        new_primary.cluster.run_helper(spec)
        return "removed"

    return Step(target.name, f"remove {kept}, which an interrupted pg_rewind left", run)


def _words(method: RejoinMethod, why: str) -> str:
    how = {
        "follow": "It rejoins by primary_conninfo alone",
        "rewind": "It rejoins by pg_rewind",
        "base backup": "It rejoins by a new base backup",
    }[method]
    return f"{how} ({why})." if why else f"{how}."
