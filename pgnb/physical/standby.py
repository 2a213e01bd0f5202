"""The standby's objects: its ConfigMap, and its workload, created or adopted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pgnb.cluster import Cluster, HelperPod, Pod, Workload
from pgnb.cluster.admission import pod_of_workload
from pgnb.cluster.security import User, effective_uid, server_user
from pgnb.cluster.workloads import SCALED
from pgnb.core.checks import Check, Checks
from pgnb.core.errors import ParameterError
from pgnb.core.plan import Change, Step
from pgnb.physical.basebackup import look_at, running_pod
from pgnb.physical.claims import assert_placed, made_by_pgnb
from pgnb.physical.entrypoint import refuse_forgetful
from pgnb.physical.login import logs_in
from pgnb.physical.manifest import data_owner, standby_manifests, with_passfile
from pgnb.physical.sizing import Value, standby_settings
from pgnb.physical.standby_spec import StandbySpec
from pgnb.physical.streaming import workload_streams
from pgnb.physical.target import find_target, find_workload, template_pod
from pgnb.postgres import Server
from pgnb.postgres.config.configmap import plan_config_map
from pgnb.postgres.source import Source

_CLAIM = "PersistentVolumeClaim"


def plan_standby_config(primary: Server, name: str, extra: Mapping[str, Value] | None = None) -> Change:
    """Plan the standby's ConfigMap (section 3.1): the primary's limits, hot_standby, and `extra`.

    An existing pg_hba.conf in it is not changed, since the base backup has the primary's rules.
    """
    return plan_config_map(primary, name, standby_settings(primary, extra))


def plan_standby_workload(
    primary: Server,
    spec: StandbySpec,
    source: Source,
    *,
    manifest: str = "",
    size: str = "",
    storage_class: str = "",
) -> Change:
    """Plan a standby's claim, Service and Deployment, scaled to 0, or adopt an existing workload.

    They come from pgnb's template, or from the operator's file `manifest`. Image, size, storage class,
    command, certificates, and claims for pg_wal and tablespaces are like the primary's. A workload of that
    name that pgnb did not create is adopted: it only gets the passfile, to log in at the source. A standby
    that already streams is not changed. Raises ParameterError, and GateClosed for an image that runs no
    standby.
    """
    cluster, name = primary.cluster, spec.name
    live = find_workload(cluster, name)
    if live is not None and not made_by_pgnb(live):
        return _plan_adoption(primary, live, source, spec)
    if not manifest:
        refuse_forgetful(primary, primary.pod.container_spec)
    manifests = standby_manifests(
        primary, spec, source, live=live, file=manifest, size=size, storage_class=storage_class
    )
    workload = next(m for m in manifests if m["kind"] in SCALED)
    if live is None or not live.replicas:
        assert_placed(primary, Workload.of(workload), spec)
    if live is not None:
        manifests = [m for m in manifests if not _existing_claim(cluster, m)]
    change = cluster.plan_apply(manifests, f"standby {name}")
    change.precheck = lambda: _admission_checks(primary, name, workload)
    change.note = (
        f"{change.note} It stays scaled to 0 until the base backup is done.".strip() if change else ""
    )
    return change


def standby_pod_checks(primary: Server, spec: StandbySpec, source: Source, *, manifest: str = "") -> Checks:
    """Check by dry runs that the API server would admit each pod of section 3; nothing is created.

    They are the standby's pod and the helper pods; the arguments are those of `plan_standby_workload`. A
    standby that already streams from this primary needs none.
    """
    name = spec.name
    live = find_workload(primary.cluster, name)
    if live is not None and workload_streams(primary, live):
        none = Check.fact("pods", "none is created: the standby already streams from this primary")
        return Checks.of(_title(name), [none], primary.journal)
    if live is not None and not made_by_pgnb(live):
        return _admission_checks(primary, name, live.object, spec.container)
    manifests = standby_manifests(primary, spec, source, live=live, file=manifest)
    return _admission_checks(primary, name, next(m for m in manifests if m["kind"] in SCALED))


def _title(name: str) -> str:
    return f"Would the cluster admit the pods of the standby {name}?"


def _admission_checks(primary: Server, name: str, workload: Mapping[str, Any], container: str = "") -> Checks:
    """Check the pods before anything is created; otherwise a refused pod would show only after the copy."""
    own, pod = "the standby's pod", template_pod(Workload.of({**workload}), container)
    user = server_user(pod.spec, pod.container_spec, data_owner(primary))
    helper = HelperPod("pgnb-base-backup", pod.image, ("true",), uid=user.uid, gid=user.gid).like(pod)
    cluster, runs = primary.cluster, bool(workload["spec"].get("replicas"))
    items = [
        *cluster.pod_checks({own: pod_of_workload(workload)}, replacing=(own,) if runs else ()),
        *cluster.helper_checks(helper),
    ]
    return Checks.of(_title(name), items, primary.journal)


def _existing_claim(cluster: Cluster, manifest: Mapping[str, Any]) -> bool:
    """Whether it is a claim that exists, whose specification cannot be changed."""
    name = manifest["metadata"]["name"]
    return manifest["kind"] == _CLAIM and cluster.get("persistentvolumeclaims", name) is not None


def _plan_adoption(primary: Server, live: Workload, source: Source, spec: StandbySpec) -> Change:
    cluster, title = primary.cluster, f"adopt {live.label} as a standby"
    pod = template_pod(live, spec.container)
    _assert_fits(primary, live, pod.image)
    if pod.image == primary.pod.image:
        refuse_forgetful(primary, pod.container_spec)
    owner = _owner_there(primary, live, pod)
    there = logs_in(live, pod.container, source, owner)
    patch = {} if there else with_passfile(pod.spec, pod.container, source, owner)
    if not patch or workload_streams(primary, live):
        words = (
            "It can already log in at the source." if not patch else "It already streams from this primary."
        )
        return Change(title, cluster.journal, note=words)
    assert_placed(primary, live, spec)
    change = cluster.plan_apply(_partial(live, patch), title)
    if live.replicas:
        change.steps = [_stop_step(cluster, live), *change.steps]
    change.note = f"{change.note} Nothing else in it is changed; its server stays stopped.".strip()
    return change


def _owner_there(primary: Server, live: Workload, pod: Pod) -> User:
    """Return the owner of the workload's data directory; its volume is inspected only if necessary."""
    owner, cluster = data_owner(primary), primary.cluster
    if effective_uid(pod.spec, pod.container_spec) or pod.image == primary.pod.image:
        return owner
    target = find_target(cluster, live.name, container=pod.container)
    state = look_at(primary, target, owner, running_pod(cluster, target)) if target else None
    return state.owner or owner if state else owner


def _partial(live: Workload, patch: Mapping[str, Any]) -> dict[str, Any]:
    """Return only the added fields, so that all others keep their owner."""
    meta = {"name": live.name}
    spec = {"template": {"spec": dict(patch)}}
    return {"apiVersion": "apps/v1", "kind": live.kind, "metadata": meta, "spec": spec}


def _stop_step(cluster: Cluster, live: Workload) -> Step:
    """Return a step that stops it first, since a rolling update could run two servers on one volume."""
    what = f"scale from {live.replicas} to 0 and see every pod gone"
    return Step(live.label, what, lambda: cluster.scale_and_wait(live, 0), journalled=True)


def _assert_fits(primary: Server, live: Workload, image: str) -> None:
    if live.name == primary.cluster.workload(primary.pod).name:
        raise ParameterError(
            f"{live.label} runs the primary",
            remedy="Name the standby's Deployment or StatefulSet.",
        )
    if live.managed_by and live.kind == "StatefulSet" and "CloudNativePG" in live.managed_by:
        raise ParameterError(
            f"{live.label} belongs to an operator",
            found=", ".join(live.managed_by),
            remedy="Let the operator create its standbys.",
        )
    if not image:
        raise ParameterError(f"{live.label} has no image in its template")
