"""Make a standby from a base backup (section 3.3); the old data stay until the new standby streams.

The order follows facts 18, 19, 20, 21 and 61: inspect the volume, stop the workload, copy into a new
directory, verify it, configure it, swap, start, see it stream, and only then remove the old directory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from pgnb.cluster import Cluster, Pod
from pgnb.cluster.security import User
from pgnb.core.checks import Check, Checks
from pgnb.core.errors import DeadlineExceeded, NotFound, ParameterError, PgnbError
from pgnb.core.plan import Change, Confirmation, Step
from pgnb.physical import scripts
from pgnb.physical.backupoptions import BackupOptions
from pgnb.physical.bootstrap import ROOM, WIPE, Bootstrap
from pgnb.physical.collation import library_checks
from pgnb.physical.copies import earlier, running_helper, work_name
from pgnb.physical.data_directory import Classification, DataDirectory, classify
from pgnb.physical.install import Role
from pgnb.physical.manifest import data_owner
from pgnb.physical.outside import Place, layout_of, on_other_claims
from pgnb.physical.sizing import checked, standby_limits
from pgnb.physical.slots import slots
from pgnb.physical.standby_spec import StandbySpec
from pgnb.physical.streaming import streams_already
from pgnb.physical.target import Run, Target, find_target, inspect
from pgnb.postgres import Server
from pgnb.postgres.config.configmap import read_config_map
from pgnb.postgres.slots import Slot
from pgnb.postgres.source import Source

_NOTE = "The old data directory stays until the new standby streams. The primary continues to serve."


def plan_base_backup(
    primary: Server,
    spec: StandbySpec,
    source: Source,
    *,
    wipe_standby_data: str = "",
    slot_to_come: bool = False,
    options: BackupOptions | None = None,
) -> Change:
    """Plan to make the workload a streaming standby of the primary; empty if it is one already.

    An empty directory, a fresh initdb and an old standby of this primary are replaced; any other data need
    `wipe_standby_data`, the claim's name. `options` are those of pg_basebackup. `slot_to_come`: the slot will
    exist when the steps run. Raises ParameterError for an unsuitable slot, workload or volume.
    """
    cluster, title = primary.cluster, f"base backup for {spec.name}"
    target = find_target(cluster, spec.name, container=spec.container, data_directory=spec.data_directory)
    if target is None:
        return _nothing_there(primary, spec.name, title)
    target = replace(target, start_timeout=spec.start_timeout)
    assert_not_the_primary(primary, target)
    found = slots(primary).find(spec.slot)
    if found is not None or not slot_to_come:
        assert_slot(cluster, target, found, spec)
    owner, pod = data_owner(primary), running_pod(cluster, target)
    state = look_at(primary, target, owner, pod) if pod else None
    if pod and state and streams_already(primary, pod, state, found, spec.application_name):
        return _nothing_but_leftovers(cluster, target, pod, state, title)
    layout = layout_of(primary, target, spec.tablespaces)
    name = work_name(primary, target, layout.paths)
    copying = running_helper(primary, name)
    state = look_at(primary, target, owner, pod, copying=copying, where=layout.places)
    settings, places = config_settings(primary, spec.config_map), layout.places(state)
    role = Role(source.connection(spec.application_name), spec.slot, settings, standby_limits(primary))
    verdict = classify(state, primary.facts.system_identifier) if state else None
    work = Bootstrap(
        primary,
        target,
        spec,
        source,
        role,
        (state.owner if state else None) or owner,
        interrupted=verdict is not None and verdict.kind == "interrupted",
        replacing=state is None or state.has_old or state.kind not in ("absent", "empty"),
        unused=state is not None and state.unused,
        options=options or BackupOptions(),
        work=name,
        earlier=earlier(primary, copying, state, spec.slot, places),
        places=places,
        moves=layout.moves(state),
    )
    return _change(title, work, state, verdict, wipe_standby_data)


def _nothing_there(primary: Server, standby: str, title: str) -> Change:
    if not primary.journal.dry_run:
        raise NotFound(
            f"there is no Deployment or StatefulSet {standby}", remedy="Create it first (section 3.2)."
        )
    steps = [Step(standby, "base backup into its empty volume; verify, configure, start", lambda: "")]
    return Change(
        title, primary.journal, "", "a streaming standby\n", steps, note=f"{standby} does not exist yet."
    )


def assert_not_the_primary(primary: Server, target: Target) -> None:
    """Raise ParameterError if the target uses the primary's volume."""
    own = {mount.claim for mount in primary.pod.mounts if mount.claim}
    if target.claim in own:
        raise ParameterError(
            f"{target.name} uses the primary's volume",
            found=f"claim {target.claim}",
            remedy="A standby needs its own claim: correct its template.",
        )


def assert_slot(cluster: Cluster, target: Target, slot: Slot | None, spec: StandbySpec) -> None:
    """Raise ParameterError unless the slot exists and only this standby reads from it."""
    if slot is None:
        if cluster.dry_run:
            return
        raise ParameterError(f"there is no slot {spec.slot}", remedy="Create it first (section 2.3).")
    if not slot.physical or slot.lost or not (slot.reserved or slot.active):
        raise ParameterError(
            f"the slot {slot.name} cannot serve a standby",
            found=slot.summary,
            remedy="It must be physical, with its WAL reserved and not lost (sections 2.3 and 7).",
        )
    if slot.active and not _ours(cluster, target, slot, spec.application_name):
        raise ParameterError(
            f"the slot {slot.name} is in use",
            found=slot.summary,
            remedy="Name another slot for this standby, or stop its consumer.",
        )


def _ours(cluster: Cluster, target: Target, slot: Slot, application_name: str) -> bool:
    """Whether this standby reads from the slot: its pod, or no pod with that address but the standby's name.

    The name counts because a walsender may run longer than its pod, and a Service may hide a pod's address.
    """
    uids = {pod.uid for pod in cluster.pods(target.workload.selector, target.pod.container)}
    states = {pod["metadata"]["uid"]: pod.get("status") or {} for pod in cluster.list("pods")}
    there = [
        uid
        for uid, status in states.items()
        if status.get("phase") == "Running" and status.get("podIP") == (slot.consumer_address or "unknown")
    ]
    return uids.issuperset(there) if there else slot.consumer == application_name


def running_pod(cluster: Cluster, target: Target) -> Pod | None:
    """Return the workload's Ready pod, if any."""
    pods = cluster.pods(target.workload.selector, target.pod.container)
    return next((pod for pod in pods if pod.ready and not pod.deleting), None)


def look_at(
    primary: Server,
    target: Target,
    owner: User,
    pod: Pod | None,
    *,
    copying: Pod | None = None,
    where: Callable[[DataDirectory], Sequence[Place]] = lambda state: (),
) -> DataDirectory | None:
    """Inspect the volume, by exec in the server's pod, else by a helper pod; None if neither is possible.

    `copying` is a helper pod of an earlier run that has mounted the volume. `where` returns, for the data
    directory found, the places outside of it that are inspected, too.
    """
    cluster = primary.cluster
    if pod is not None:
        seen = replace(target, mount=replace(target.mount, sub_path=""))
        return _inspected(primary, seen, partial(cluster.exec, pod), where)
    if copying is not None:
        try:
            return _inspected(primary, target, partial(cluster.exec, copying), where)
        except DeadlineExceeded:
            raise
        except PgnbError:  # It may have just ended. Then this run starts its own helper pod.
            pass
    claim = cluster.get("persistentvolumeclaims", target.claim)
    if claim is not None and (claim.get("status") or {}).get("phase") == "Pending":
        return DataDirectory({"kind": "absent"})  # No volume is bound yet.
    if cluster.dry_run:
        return None
    if claim is None:
        raise NotFound(
            f"the claim {target.claim} of {target.name} does not exist", remedy="Create it (section 3.2)."
        )
    spec = target.helper("pgnb-inspect", (), uid=owner.uid, gid=owner.gid)
    with cluster.helper(spec, lifetime=3600) as helper:
        return _inspected(primary, target, helper.exec, where)


def _inspected(
    primary: Server, target: Target, run: Run, where: Callable[[DataDirectory], Sequence[Place]]
) -> DataDirectory:
    return inspect(
        run,
        target.directory,
        target.root,
        primary.facts.bin_dir,
        lambda leads: [p.base for p in where(leads)],
    )


def _nothing_but_leftovers(
    cluster: Cluster, target: Target, pod: Pod, state: DataDirectory, title: str
) -> Change:
    words = f"{target.name} already streams from this primary."
    if not state.has_old and not state.has_new:
        return Change(title, cluster.journal, note=words)
    beside = replace(target, mount=replace(target.mount, sub_path=""))
    paths = [beside.old, beside.new]

    def run() -> str:
        argv = scripts.argv("outside", "clear", "discard", args=(beside.directory, *paths))
        cluster.exec(pod, argv, timeout=3600, changes="remove what an earlier base backup left")
        return "removed"

    step = Step(
        target.name, f"remove what an earlier base backup left: {', '.join(paths)}", run, journalled=True
    )
    return Change(title, cluster.journal, f"{paths}\n", "", [step], note=words)


def config_settings(primary: Server, config_map: str) -> Mapping[str, str]:
    """Return the ConfigMap's settings, checked; empty if a plan-only run finds no ConfigMap."""
    if not config_map:
        return {}
    try:
        settings = read_config_map(primary, config_map).settings
    except NotFound:
        if primary.journal.dry_run:
            return {}
        raise
    checked(primary, settings)
    return settings


def _change(
    title: str, work: Bootstrap, state: DataDirectory | None, verdict: Classification | None, wipe: str
) -> Change:
    target, primary = work.target, work.primary
    change = Change(
        title,
        primary.journal,
        _before(target, verdict),
        _after(work),
        work.steps(),
        note=" ".join(part for part in (work.earlier.summary, _NOTE) if part),
        undo_text=f"scale {target.name} to 0; the old data are removed once the standby streams",
        confirmations=_confirmations(target, verdict, state.outside if state else ""),
        precheck=lambda: _precheck(work, state),
    )
    change.granted |= {c.parameter for c in change.confirmations if wipe == c.value}
    work.named = change.granted
    return change


def _before(target: Target, verdict: Classification | None) -> str:
    words = verdict.summary if verdict else "not inspected, since a plan-only run starts no helper pod"
    return f"{target.directory} on claim {target.claim}: {words}\nreplicas: {target.workload.replicas}\n"


def _after(work: Bootstrap) -> str:
    settings = "".join(f"  {name} = {value}\n" for name, value in work.role.settings.items())
    outside = "".join(f"  {place.summary}\n" for place in work.places)
    return (
        f"{work.target.directory} on claim {work.target.claim}: a base backup of {work.primary.name}\n"
        f"{outside}  primary_conninfo = {work.role.connection}\n  primary_slot_name = {work.role.slot}\n"
        f"{settings}replicas: 1\n"
    )


def _confirmations(target: Target, verdict: Classification | None, outside: str) -> list[Confirmation]:
    if verdict is None or verdict.disposable:
        return []
    also = f", with its files at {outside}" if outside else ""
    why = f"{target.directory} holds {verdict.summary}; it would be removed{also} once the standby streams."
    return [Confirmation(WIPE, target.claim, why)]


def _precheck(work: Bootstrap, state: DataDirectory | None) -> Checks:
    """Check right before acting that the primary is still the planned one, and that there is enough room."""
    primary, target = work.primary, work.target
    before = primary.facts.system_identifier
    facts, room = primary.refresh(), primary.fetch_one("physical/room")
    volume = primary.fetch_one("physical/volume")
    elsewhere = on_other_claims(work.places, target.claim)
    needed = int((volume["data_bytes"] + volume["wal_bytes"] - elsewhere) * ROOM)
    senders_free, slots_free = room["max_senders"] - room["senders"], room["max_slots"] - room["slots"]
    items = [
        Check(
            "primary",
            not facts.in_recovery and facts.system_identifier == before,
            facts.role,
            "primary",
            "It was demoted or replaced after planning: run this again.",
        ),
        Check("free walsenders", senders_free >= 2, senders_free, 2, "Raise max_wal_senders (restart)."),
        Check("free slots", slots_free >= 1, slots_free, 1, "Raise max_replication_slots (restart)."),
        *work.place_checks(state, needed, facts.major),
        *library_checks(primary, state),
        *work.options.checks(primary, volume["data_bytes"]),
        *work.pod_checks(),
        *work.volume_checks(),
    ]
    return Checks.of(f"Before the base backup for {target.name}", items, primary.journal)
