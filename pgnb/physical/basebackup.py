"""A standby from a base backup (section 3.3): the old data stay until the new ones stream.

The order is that of facts 18, 19, 20, 21 and 61: see what lies there, stop the workload, copy into a new
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
from pgnb.physical.slots import Slot, slots
from pgnb.physical.status import senders
from pgnb.physical.target import Run, Target, find_target, inspect
from pgnb.postgres import Server
from pgnb.postgres.config.configmap import read_config_map
from pgnb.postgres.source import Source

_NOTE = "The old data directory stays until the new standby streams; the primary goes on serving."


def plan_base_backup(
    primary: Server,
    standby: str,
    source: Source,
    *,
    slot: str,
    application_name: str,
    config_map: str = "",
    wipe_standby_data: str = "",
    container: str = "",
    data_directory: str = "",
    timeout: float = 6 * 3600.0,
    start_timeout: float = 300.0,
    slot_to_come: bool = False,
    options: BackupOptions | None = None,
    tablespaces: Mapping[str, str] | None = None,
) -> Change:
    """Make the workload `standby` a streaming standby of the primary; nothing to do where it is one already.

    What lies in its data directory is looked at first: nothing, a fresh initdb, and this primary's own
    former standby are replaced; anything else needs `wipe_standby_data` to be the claim's name. `config_map`
    holds the standby's settings. `timeout` and `start_timeout` are seconds, for the copy and for the start
    of each pod. `options` are those of pg_basebackup. `tablespaces` maps a path at the primary to another one
    at the standby; without it each keeps its path. `slot_to_come` says that the slot is made by the time
    that these steps run. Raises ParameterError for a slot, a workload or a volume that cannot serve.
    """
    cluster, title = primary.cluster, f"base backup for {standby}"
    target = find_target(cluster, standby, container=container, data_directory=data_directory)
    if target is None:
        return _nothing_there(primary, standby, title)
    target = replace(target, start_timeout=start_timeout)
    assert_not_the_primary(primary, target)
    found = slots(primary).find(slot)
    if found is not None or not slot_to_come:
        assert_slot(cluster, target, found, slot, application_name)
    owner, pod = data_owner(primary), running_pod(cluster, target)
    state = look_at(primary, target, owner, pod) if pod else None
    if pod and state and streams_already(primary, pod, state, found, application_name):
        return _nothing_but_leftovers(cluster, target, pod, state, title)
    layout = layout_of(primary, target, tablespaces or {})
    name = work_name(primary, target, layout.paths)
    copying = running_helper(primary, name)
    state = look_at(primary, target, owner, pod, copying=copying, where=layout.places)
    settings, places = config_settings(primary, config_map), layout.places(state)
    role = Role(source.connection(application_name), slot, settings, standby_limits(primary))
    verdict = classify(state, primary.facts.system_identifier) if state else None
    work = Bootstrap(
        primary,
        target,
        source,
        role,
        application_name,
        (state.owner if state else None) or owner,
        interrupted=verdict is not None and verdict.kind == "interrupted",
        replacing=state is None or state.has_old or state.kind not in ("absent", "empty"),
        unused=state is not None and state.unused,
        timeout=timeout,
        start_timeout=start_timeout,
        options=options or BackupOptions(),
        work=name,
        earlier=earlier(primary, copying, state, slot, places),
        places=places,
        moves=layout.moves(state),
    )
    return _change(title, work, state, verdict, wipe_standby_data)


def _nothing_there(primary: Server, standby: str, title: str) -> Change:
    if not primary.journal.dry_run:
        raise NotFound(
            f"there is no Deployment or StatefulSet {standby}", remedy="Make it first (section 3.2)."
        )
    steps = [Step(standby, "base backup into its empty volume; verify, configure, start", lambda: "")]
    return Change(
        title, primary.journal, "", "a streaming standby\n", steps, note=f"{standby} is not there yet."
    )


def assert_not_the_primary(primary: Server, target: Target) -> None:
    """The target has a volume of its own. Raises ParameterError."""
    own = {mount.claim for mount in primary.pod.mounts if mount.claim}
    if target.claim in own:
        raise ParameterError(
            f"{target.name} has the primary's own volume",
            found=f"claim {target.claim}",
            remedy="A standby needs a claim of its own: correct its template.",
        )


def assert_slot(
    cluster: Cluster, target: Target, slot: Slot | None, name: str, application_name: str
) -> None:
    """The slot is there, and nobody but this very standby reads from it."""
    if slot is None:
        if cluster.dry_run:
            return
        raise ParameterError(f"there is no slot {name}", remedy="Make it first (section 2.3).")
    if not slot.physical or slot.lost or not (slot.reserved or slot.active):
        raise ParameterError(
            f"the slot {name} cannot serve a standby",
            found=slot.summary,
            remedy="It must be physical, with its WAL reserved and not lost: see section 2.3 and 7.",
        )
    if slot.active and not _ours(cluster, target, slot, application_name):
        raise ParameterError(
            f"the slot {name} is taken",
            found=slot.summary,
            remedy="Name another slot for this standby, or stop the consumer that has it.",
        )


def _ours(cluster: Cluster, target: Target, slot: Slot, application_name: str) -> bool:
    """Whether this very standby reads from it: its pod, or, under its name, no other pod.

    A walsender outlives a pod that was just stopped, and a Service may hide a pod's address.
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
    """The workload's Ready pod, if there is one."""
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
    """What lies there: by exec in the running server's pod, else by a helper; None where neither may be.

    `copying` is a helper pod of an earlier run that is on the volume already. `where` says, by what lies in
    the data directory, which places outside of it are looked at, too.
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
        except PgnbError:  # It may have ended just now; then a helper of this run's own looks.
            pass
    claim = cluster.get("persistentvolumeclaims", target.claim)
    if claim is not None and (claim.get("status") or {}).get("phase") == "Pending":
        return DataDirectory({"kind": "absent"})  # No volume is bound to it yet, so nothing lies there.
    if cluster.dry_run:
        return None
    if claim is None:
        raise NotFound(
            f"the claim {target.claim} of {target.name} is not there", remedy="Make it (section 3.2)."
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


def streams_already(
    primary: Server, pod: Pod, state: DataDirectory, slot: Slot | None, application_name: str
) -> bool:
    """Whether this pod's server follows this primary already, through this slot and under this name."""
    if state.system_identifier != primary.facts.system_identifier or not state.follows:
        return False
    named = [s for s in senders(primary) if s.application_name == application_name and s.streaming]
    # A Service may hide the pod's address; then the receiver that streams in the pod must be seen itself.
    ours = [s for s in named if s.address == pod.ip or state.receiving]
    return slot is not None and any(s.pid == slot.active_pid for s in ours)


def _nothing_but_leftovers(
    cluster: Cluster, target: Target, pod: Pod, state: DataDirectory, title: str
) -> Change:
    words = f"{target.name} streams from this primary already."
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
    """The ConfigMap's settings, once they are known to do; in a plan-only run it may not be there yet."""
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
        undo_text=f"scale {target.name} to 0; the former data are gone once the standby streams",
        confirmations=_confirmations(target, verdict, state.outside if state else ""),
        precheck=lambda: _precheck(work, state),
    )
    change.granted |= {c.parameter for c in change.confirmations if wipe == c.value}
    work.named = change.granted
    return change


def _before(target: Target, verdict: Classification | None) -> str:
    words = verdict.summary if verdict else "not looked at: a plan-only run starts no helper pod"
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
    also = f", with what it has at {outside}" if outside else ""
    why = f"{target.directory} holds {verdict.summary}; it would be removed{also} once the standby streams."
    return [Confirmation(WIPE, target.claim, why)]


def _precheck(work: Bootstrap, state: DataDirectory | None) -> Checks:
    """Read right before acting: the primary is the one planned upon, and there is room for all that comes."""
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
            "It was demoted or replaced meanwhile: plan again.",
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
