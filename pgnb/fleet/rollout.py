"""Carry a fleet out: make its Job, release wave after wave, and halt when too many targets failed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pgnb.cluster import Cluster, Object
from pgnb.cluster.manifests import readable_yaml
from pgnb.core.display import format_duration
from pgnb.core.errors import Conflict, DeadlineExceeded, GateClosed, NotFound
from pgnb.core.plan import Change, Step
from pgnb.core.wait import wait_until
from pgnb.fleet.fleetfile import Fleet
from pgnb.fleet.job import FLEET, HALTED, PAUSED, RELEASED, config_map, cron_job, job, parallelism
from pgnb.fleet.progress import Rollout, again, digest_of, is_open, number_of, rollout_of, rollouts
from pgnb.fleet.targets import Plan

_SETTLED = 300.0
"""Seconds that pods of the next wave get to start, before the Job is suspended."""
_EVERY = 2.0


def standing(cluster: Cluster, plan: Plan) -> str:
    """Return the name of the Job that carries out this plan and has not finished; "" without one.

    Raises Conflict if another plan of the same fleet is being carried out.
    """
    for one in rollouts(cluster, plan.fleet):
        if not is_open(one):
            continue
        if digest_of(one) == plan.digest:
            return str(one["metadata"]["name"])
        name = one["metadata"]["name"]
        raise Conflict(
            f"another plan of the fleet {plan.fleet} is being carried out",
            found=f"Job {name}, whose fleet.yaml, targets or notebooks were others",
            remedy=f"Let it finish by the file that it was begun with (pgnb fleet status), or end it:"
            f" kubectl -n {cluster.namespace} delete job {name}. A target at work is interrupted then.",
        )
    return ""


def plan_rollout(cluster: Cluster, fleet: Fleet, plan: Plan) -> Change:
    """Return the plan that makes a new Job, suspended, and the ConfigMap that it owns; nothing runs yet.

    The API server has accepted both in a dry run. Raises Rejected, AccessDenied.
    """
    numbers = [number_of(one) for one in rollouts(cluster, fleet.name)]
    manifest = job(fleet, plan, max(numbers, default=0) + 1)
    made: list[Object] = []
    config = config_map(fleet, plan, manifest)
    cluster.try_create(manifest)

    def begin() -> str:
        made.append(cluster.create(manifest))
        return f"created, suspended: {manifest['metadata']['name']}"

    def configure() -> str:
        cluster.create(config_map(fleet, plan, made[0]))
        return "created"

    name = manifest["metadata"]["name"]
    return Change(
        f"Rollout {name}: {len(plan.targets)} targets in {len(plan.waves)} waves",
        cluster.journal,
        after="---\n".join(readable_yaml(one) for one in (manifest, config)),
        steps=[
            Step(f"job/{name}", "create, suspended", begin, journalled=True),
            Step(f"configmap/{config['metadata']['name']}", "create", configure, journalled=True),
        ],
        undo_text=f"kubectl -n {cluster.namespace} delete job {name}; the records say what targets changed",
    )


def plan_schedule(cluster: Cluster, fleet: Fleet, plan: Plan) -> Change:
    """Return the plan that makes or changes the fleet's CronJob, and the ConfigMap of its plan."""
    manifest = cron_job(fleet, plan)
    name = manifest["metadata"]["name"]
    before = cluster.get("cronjobs", name)
    compared = cluster.plan_apply(manifest, f"Schedule {name}")
    if before is not None and not compared:
        return compared

    def schedule() -> str:
        after = cluster.apply(manifest)
        config = config_map(fleet, plan, after)
        if cluster.get("configmaps", config["metadata"]["name"]) is None:
            cluster.create(config)
        for unused in unused_plans(cluster, fleet.name):
            cluster.delete("configmaps", unused)
        return f"{fleet.schedule} {fleet.time_zone}".strip()

    return Change(
        compared.title,
        cluster.journal,
        before=compared.before,
        after=compared.after,
        steps=[Step(f"cronjob/{name}", "create or change", schedule, journalled=True)],
        undo_text=f"kubectl -n {cluster.namespace} delete cronjob {name}",
    )


def follow(
    cluster: Cluster,
    fleet: Fleet,
    name: str,
    *,
    proceed: bool = False,
    timeout: float,
    tell: Callable[[str], None] = print,
) -> Rollout:
    """Release the waves of a Job one after the other, until it is done, halted or pauses; return its state.

    `proceed`: go on after a halt. `timeout`: seconds for each wave. A wave is released only when every
    target of the one before has ended, and, where the fleet says so, only by another call. Raises GateClosed
    for a rollout that has halted, DeadlineExceeded for a wave that has not ended in time; the Job goes on.
    """
    now = rollout_of(cluster, name, pods=False)
    _assert_goes_on(now, proceed)
    accepted = now.released if proceed else 0
    while not now.finished:
        wave = now.released
        if wave and not now.ended(wave):
            now = _wave_ended(cluster, now, timeout)
            tell(_told(now, wave))
        if wave == len(now.plan.waves):
            _finished(cluster, now, timeout)
        elif wave and wave != accepted and len(now.failures(wave)) > fleet.waves.halt_after:
            return _halt(cluster, now, now.failures(wave))
        elif wave and fleet.waves.pause and now.paused_after != wave:
            return _pause(cluster, now)
        else:
            now = _release(cluster, fleet, _suspend(cluster, now) if wave else now)
            continue
        break
    return again(cluster, now, pods=True)


def _assert_goes_on(now: Rollout, proceed: bool) -> None:
    if now.halted and not proceed and not now.finished:
        raise GateClosed(
            f"the rollout {now.name} has halted",
            found=now.halted,
            remedy="Look at `pgnb fleet status` and the records. To go on in spite of it: pgnb fleet apply"
            " --proceed. To end it: kubectl delete job.",
        )


def _wave_ended(cluster: Cluster, now: Rollout, timeout: float) -> Rollout:
    wave, total = now.released, len(now.plan.waves)
    return wait_until(
        f"wave {wave} of {total}",
        lambda: again(cluster, now),
        lambda seen: bool(seen.finished) or seen.ended(wave),
        timeout=timeout,
        every=_EVERY,
        describe=lambda seen: seen.outcome,
        remedy=f"The Job goes on: see `pgnb fleet status`, then go on by `pgnb fleet apply`"
        f" ({format_duration(timeout)} is the limit of one wave).",
    )


def _finished(cluster: Cluster, now: Rollout, timeout: float) -> None:
    """Wait until the controller has written the Job's end; all its targets have ended already."""
    wait_until(
        f"the end of {now.name}",
        lambda: again(cluster, now),
        lambda seen: bool(seen.finished),
        timeout=timeout,
        every=_EVERY,
        describe=lambda seen: seen.outcome,
    )


def _suspend(cluster: Cluster, now: Rollout) -> Rollout:
    """Suspend the Job between two waves: its pods are only such as wait, and they end without a trace.

    A pod that has not started yet could not end in an orderly way, so that is waited for. Where it does not
    start, nothing is suspended: pods of the next wave do nothing before it is released.
    """
    if now.suspended:
        return now
    try:
        settled = wait_until(
            "pods of the next wave to wait",
            lambda: again(cluster, now),
            lambda seen: seen.settled,
            timeout=_SETTLED,
            every=_EVERY,
            describe=lambda seen: seen.outcome,
        )
    except DeadlineExceeded:
        return again(cluster, now)
    _patch(cluster, settled, {"spec": {"suspend": True}}, "suspend between two waves")
    return again(cluster, now)


def _pause(cluster: Cluster, now: Rollout) -> Rollout:
    _patch(cluster, now, {"metadata": {"annotations": {PAUSED: str(now.released)}}}, "pause")
    _suspend(cluster, again(cluster, now))
    return again(cluster, now, pods=True)


def _release(cluster: Cluster, fleet: Fleet, now: Rollout) -> Rollout:
    wave = now.released + 1
    body = {
        "metadata": {"annotations": {RELEASED: str(wave), HALTED: None, PAUSED: None}},
        "spec": {"suspend": False, "parallelism": parallelism(fleet, now.plan, wave)},
    }
    names = [now.plan.targets[index].name for index in now.plan.indexes(wave)]
    _patch(cluster, now, body, f"release wave {wave}: {', '.join(names)}")
    return again(cluster, now)


def _halt(cluster: Cluster, now: Rollout, failed: tuple[str, ...]) -> Rollout:
    why = (
        f"halted after wave {now.released}, because {len(failed)} of its targets failed: {', '.join(failed)}"
    )
    _patch(cluster, now, {"metadata": {"annotations": {HALTED: why}}}, "halt")
    _suspend(cluster, again(cluster, now))
    return again(cluster, now, pods=True)


def _patch(cluster: Cluster, seen: Rollout, body: Mapping[str, Any], what: str) -> None:
    """Patch the Job; refused if somebody else changed its waves or suspended it since it was read."""
    cluster.patch_as_seen(seen.job, body, what)


def _told(now: Rollout, wave: int) -> str:
    failed = now.failures(wave)
    words = f"failed: {', '.join(failed)}" if failed else "all passed"
    return f"wave {wave} of {len(now.plan.waves)}: {now.plan.waves[wave - 1]} targets, {words}"


def unused_plans(cluster: Cluster, fleet: str) -> list[str]:
    """Return the names of the ConfigMaps of a fleet that no CronJob and no unfinished Job mounts."""
    jobs = [one for one in cluster.list("jobs", f"{FLEET}={fleet}") if is_open(one)]
    templates = [one["spec"]["template"] for one in jobs]
    for one in cluster.list("cronjobs", f"{FLEET}={fleet}"):
        templates.append(one["spec"]["jobTemplate"]["spec"]["template"])
    used = {v["configMap"]["name"] for t in templates for v in t["spec"]["volumes"] if "configMap" in v}
    owned = [one for one in cluster.list("configmaps", f"{FLEET}={fleet}") if _of_schedule(one)]
    return [one["metadata"]["name"] for one in owned if one["metadata"]["name"] not in used]


def _of_schedule(found: Object) -> bool:
    return any(o["kind"] == "CronJob" for o in found["metadata"].get("ownerReferences") or ())


def named(cluster: Cluster, fleet: str) -> str:
    """Return the name of a fleet's newest rollout. Raises NotFound without one."""
    found = rollouts(cluster, fleet)
    if not found:
        raise NotFound(
            f"there is no rollout of the fleet {fleet} in the namespace {cluster.namespace}",
            remedy="Begin one: pgnb fleet apply. Finished ones are removed after seven days.",
        )
    return str(found[-1]["metadata"]["name"])


def newest_scheduled(cluster: Cluster, fleet: str) -> str:
    """Return the name of the newest Job that the fleet's CronJob made. Raises NotFound without one."""
    found = [one for one in cluster.list("jobs", f"{FLEET}={fleet}") if _of_schedule(one)]
    if not found:
        raise NotFound(
            f"the schedule of the fleet {fleet} has made no Job in the namespace {cluster.namespace} yet",
            remedy=f"See kubectl -n {cluster.namespace} get cronjob pgnb-{fleet}.",
        )
    return str(max(found, key=lambda one: one["metadata"]["creationTimestamp"])["metadata"]["name"])
