"""The claims for pg_wal and tablespaces of a standby made by pgnb, shown before they are created."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from pgnb.cluster import Mount, Pod, Workload
from pgnb.cluster.server_spec import MANAGED_BY
from pgnb.core.checks import Check, Checks
from pgnb.core.errors import ParameterError
from pgnb.physical.outside import Outside, mapped, obstacle, outside_of
from pgnb.physical.standby_spec import StandbySpec
from pgnb.physical.streaming import workload_streams
from pgnb.physical.target import (
    Target,
    data_directory_named,
    find_workload,
    target_of,
    template_pod,
)
from pgnb.postgres import Server

_DATA, _OURS = "pgnb-data", "pgnb-"
_TAKEN = ("data", "passfile", "config")


@dataclass(frozen=True)
class Claim:
    """A further claim, as the template needs it."""

    name: str
    volume: str
    mount: str
    size: str
    storage_class: str
    access_modes: tuple[str, ...]


def made_by_pgnb(workload: Workload) -> bool:
    """Whether pgnb created the workload from its template."""
    return bool((workload.object["metadata"].get("labels") or {}).get(MANAGED_BY) == "pgnb")


def more_claims(
    primary: Server, name: str, live: Workload | None, tablespaces: Mapping[str, str]
) -> list[dict[str, object]]:
    """Return a claim for each volume with pg_wal or a tablespace, at the primary's path or the mapped one.

    An existing workload (`live`) keeps its claims, and gets new ones only while it is stopped.
    """
    outside, pod = outside_of(primary), primary.pod
    paths, volumes = mapped(outside, tablespaces), volumes_apart(pod, primary.facts.data_directory, outside)
    desired = {paths.get(path, path): at for path, at in volumes.items()}
    claims = _existing(primary, live, desired) if live else {}
    if live is None or not live.replicas:
        for where, at in new_mounts(_data_mount(primary), volumes, paths, claims).items():
            number = len(claims)
            word = f"{at.volume[:40]}-{number + 1}" if number or at.volume in _TAKEN else at.volume[:40]
            claims[where] = _claim(primary, at.path, f"{name}-{word}", f"{_OURS}{word}", where)
    return [asdict(claim) for claim in claims.values()]


def volumes_apart(pod: Pod, directory: str, outside: Iterable[Outside]) -> dict[str, Mount]:
    """Return the primary's mounts of pg_wal and tablespaces, by path, if apart from the data's mount."""
    at = {one.path: pod.mount_of(one.path) for one in outside}
    return {
        path: mount
        for path, mount in at.items()
        if mount
        and mount.claim
        and mount != pod.mount_of(directory)
        and not mount.path.startswith(f"{directory}/")
    }


def new_mounts(
    data_mount: str, volumes: Mapping[str, Mount], paths: Mapping[str, str], there: Collection[str]
) -> dict[str, Mount]:
    """Return where a claim must be added, with the primary's mount that it copies.

    A path that is kept needs a mount where the primary has one, also below the data's mount. A path that the
    operator names (`paths`) needs none below a mount that will exist.
    """
    kept = {mount.path: mount for path, mount in volumes.items() if paths.get(path, path) == path}
    found = {where: mount for where, mount in kept.items() if where not in there}
    for path, mount in volumes.items():
        where = paths.get(path, path)
        mounts = (data_mount, *there, *found)
        if where != path and not any(f"{where}/".startswith(f"{above}/") for above in mounts):
            found[where] = mount
    return found


def _data_mount(primary: Server) -> str:
    mount = primary.pod.mount_of(primary.facts.data_directory)
    return mount.path if mount else primary.facts.data_directory


def _claim(primary: Server, at: str, name: str, volume: str, where: str) -> Claim:
    """Return a claim like the primary's at that path."""
    like = primary.cluster.volume(primary.pod, at)
    modes = like.access_modes or ("ReadWriteOnce",)
    return Claim(name, volume, where, like.size, like.storage_class, modes)


def _existing(primary: Server, live: Workload, desired: Mapping[str, Mount]) -> dict[str, Claim]:
    """Return the claims of an existing workload by mount path; a deleted one is created again.

    It then copies the primary's volume for what is `desired` there, or the data's volume if nothing is.
    """
    mounts = [m for m in template_pod(live).mounts if m.claim and m.volume.startswith(_OURS)]
    claims = {}
    for mount in (m for m in mounts if m.volume != _DATA):
        held = (at.path for path, at in desired.items() if f"{path}/".startswith(f"{mount.path}/"))
        like = next(held, primary.facts.data_directory)
        claims[mount.path] = _claim(primary, like, mount.claim, mount.volume, mount.path)
    return claims


def layout_checks(
    primary: Server, standby: str, tablespaces: Mapping[str, str] | None = None, *, manifest: str = ""
) -> Checks:
    """Check, before anything is created, where the standby gets pg_wal and each tablespace of the primary.

    `tablespaces` maps paths at the primary to others at the standby. A tablespace without a persistent
    place stops the run; pg_wal without one goes into the data directory. Raises ParameterError for an
    unknown path.
    """
    title = f"Places on {standby} for pg_wal and tablespaces of {primary.name}"
    outside = outside_of(primary) if primary.present else ()
    paths = mapped(outside, tablespaces or {}) if primary.present else {}
    live = find_workload(primary.cluster, standby)
    items = [Check.fact("pg_wal and tablespaces", "in the data directory")]
    if outside and live is not None and workload_streams(primary, live):
        words = "unchanged: the standby already streams from this primary"
        items = [Check.fact(one.summary, words) for one in outside]
    elif outside and live is None and manifest:
        items = [Check.fact(one.summary, f"{one.path}; your manifest decides its place") for one in outside]
    elif outside:
        target = _target(primary, standby, live, tablespaces or {})
        items = [_check(one, paths.get(one.path, one.path), target) for one in outside]
    return Checks.of(title, items, primary.journal)


def _check(one: Outside, path: str, target: Target) -> Check:
    reason = obstacle(path, target)
    mount = target.pod.mount_of(path)
    found = reason or f"{path}, on claim {mount.claim if mount else ''}"
    if one.wal:
        remedy = "The standby's WAL is put on its data volume, or where its own pg_wal link leads."
        return Check(one.name, not reason, found, "a claim of the standby's", remedy, advice=True)
    remedy = f'Mount a claim there, or name a place on one: tablespaces = {{"{one.path}": "/PATH"}}.'
    return Check(
        one.summary, not reason, found, "a claim of the standby's", f"{remedy} {_or_stop(target)}".strip()
    )


def _or_stop(target: Target) -> str:
    running = target.workload.replicas and made_by_pgnb(target.workload)
    return "Or scale it to 0 and run 03 again, which adds the claims." if running else ""


def _target(primary: Server, name: str, live: Workload | None, tablespaces: Mapping[str, str]) -> Target:
    """Return the standby's target, as it is or as pgnb's template will create it."""
    if live is not None and (live.replicas or not made_by_pgnb(live)):
        return target_of(primary.cluster, live)
    directory, mount = primary.facts.data_directory, _data_mount(primary)
    claims = more_claims(primary, name, live, tablespaces)
    pairs = [(_DATA, mount, f"{name}-data"), *((c["volume"], c["mount"], c["name"]) for c in claims)]
    server = {
        "name": "server",
        "volumeMounts": [{"name": volume, "mountPath": path} for volume, path, _ in pairs],
    }
    volumes = [{"name": volume, "persistentVolumeClaim": {"claimName": claim}} for volume, _, claim in pairs]
    meta = {"name": name, "uid": "", "labels": {}}
    pod = Pod.of({"metadata": meta, "spec": {"containers": [server], "volumes": volumes}, "status": {}})
    data = pod.mount_of(directory)
    assert data is not None
    return Target(
        live or Workload("Deployment", name, 0, "Recreate", "", (), {"metadata": meta}),
        pod,
        f"{mount}/pgdata" if directory == mount else directory,
        data,
    )


def assert_placed(primary: Server, workload: Workload, spec: StandbySpec) -> None:
    """Raise ParameterError unless each tablespace has a place in the workload, existing or planned."""
    if not data_directory_named(template_pod(workload, spec.container)):
        return  # Its data directory is found when its volume is inspected.
    outside = outside_of(primary)
    target = target_of(primary.cluster, workload, container=spec.container)
    paths = mapped(outside, spec.tablespaces)
    failed: Sequence[Check] = [
        check for one in outside if (check := _check(one, paths.get(one.path, one.path), target)).stops
    ]
    if failed:
        raise ParameterError(
            f"a tablespace of {primary.name} has no place in {workload.label}",
            found="; ".join(f"{check.name}: {check.found}" for check in failed),
            remedy=failed[0].remedy,
        )
