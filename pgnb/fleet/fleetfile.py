"""fleet.yaml: which notebooks run on which databases, in which waves, and where their records are kept."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pgnb.core.errors import ParameterError
from pgnb.runbook import params

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")
"""A DNS label of at most 40 characters: names of the Job and its pods are made of it."""
_URL = re.compile(r"[a-z][a-z0-9+]*://.+")
LARGEST = 5000
"""Targets of one fleet: their parameters must fit into a ConfigMap (1 MiB)."""


@dataclass(frozen=True)
class Target:
    """One database to run on: its namespace, and the parameters that only it has."""

    name: str
    namespace: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Discovery:
    """Targets by a label selector over namespaces: each namespace is one, with these parameters."""

    namespaces: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Waves:
    """How a rollout goes on: sizes of the waves (the last one repeats), and when it halts.

    Without sizes all targets are one wave. `parallelism`: pods at once. `halt_after`: failed targets of one
    wave that are accepted. `pause`: each further wave waits for another `pgnb fleet apply`.
    """

    sizes: tuple[int, ...] = ()
    parallelism: int = 10
    halt_after: int = 0
    pause: bool = False

    def of(self, count: int) -> tuple[int, ...]:
        """Return the sizes of the waves for so many targets."""
        sizes: list[int] = []
        left = list(self.sizes) or [count]
        while sum(sizes) < count:
            size = left.pop(0) if len(left) > 1 else left[0]
            sizes.append(min(size, count - sum(sizes)))
        return tuple(sizes)


@dataclass(frozen=True)
class Fleet:
    """A fleet as its file declares it; paths and notebooks are not resolved yet.

    `retries`: how often a target is tried again whose API server could not be reached. `timeout`: seconds for
    each notebook. `schedule`: for a CronJob, in `time_zone`; without one, `apply` makes a Job. `pod`: fields
    of the pods' template that are added (resources, tolerations, nodeSelector, imagePullSecrets, …).
    """

    name: str
    image: str
    notebooks: tuple[str, ...]
    records: str
    namespace: str = ""
    service_account: str = "pgnb"
    records_secret: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    waves: Waves = field(default_factory=Waves)
    retries: int = 3
    timeout: int = 3600
    schedule: str = ""
    time_zone: str = ""
    pod: Mapping[str, Any] = field(default_factory=dict)
    targets: tuple[Target, ...] = ()
    discover: Discovery | None = None


_KINDS: Mapping[str, tuple[type, ...]] = {
    "name": (str,),
    "namespace": (str,),
    "image": (str,),
    "service_account": (str,),
    "notebooks": (list,),
    "records": (str,),
    "records_secret": (str,),
    "parameters": (dict,),
    "parameters_file": (str,),
    "waves": (list,),
    "parallelism": (int,),
    "halt_after": (int,),
    "pause_between_waves": (bool,),
    "retries": (int,),
    "timeout": (int,),
    "schedule": (str,),
    "time_zone": (str,),
    "pod": (dict,),
    "targets": (list,),
    "discover": (dict,),
}
_REQUIRED = ("name", "image", "notebooks", "records")
_LOWEST = {"parallelism": 1, "halt_after": 0, "retries": 0, "timeout": 1}
_POD = (
    "affinity",
    "imagePullSecrets",
    "nodeSelector",
    "priorityClassName",
    "resources",
    "runtimeClassName",
    "tolerations",
    "topologySpreadConstraints",
    "annotations",
    "labels",
)
"""What `pod` may add to the template. The rest is pgnb's: command, rights and security context."""


def read(path: Path) -> Fleet:
    """Return the fleet that a file declares. Raises ParameterError for the first thing that is wrong."""
    content = params.read_file(path)
    _assert_shape(content, _KINDS, path)
    if missing := [key for key in _REQUIRED if not content.get(key)]:
        raise ParameterError(f"{path}: {', '.join(missing)} must be given", remedy="See docs/fleet.md.")
    for key, lowest in _LOWEST.items():
        if content.get(key, lowest) < lowest:
            raise ParameterError(f"{path}: {key} must be {lowest} or more", found=str(content[key]))
    _assert_name(content["name"], f"{path}: name")
    if not _URL.fullmatch(content["records"]):
        raise ParameterError(
            f"{path}: records must be a URL that fsspec knows",
            found=content["records"],
            remedy="Write s3://BUCKET/FOLDER, gs://…, abfs://… or file:///….",
        )
    fleet = _fleet(content, path)
    _assert_consistent(fleet, path)
    return fleet


def _fleet(content: Mapping[str, Any], path: Path) -> Fleet:
    plain = ("name", "image", "records", "namespace", "service_account", "records_secret", "retries")
    given = {key: content[key] for key in (*plain, "timeout", "schedule", "time_zone") if key in content}
    return Fleet(
        **given,
        notebooks=tuple(_texts(content["notebooks"], f"{path}: notebooks")),
        parameters=_common(content, path),
        waves=_waves(content, path),
        pod=_pod(content.get("pod", {}), path),
        targets=tuple(_targets(content.get("targets", ()), path)),
        discover=_discovery(content.get("discover"), path),
    )


def _common(content: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The parameters of every target: those of the file that is named, then those that are written here."""
    named = content.get("parameters_file")
    common = params.read_file(path.parent / named) if named else {}
    return {**common, **content.get("parameters", {})}


def _waves(content: Mapping[str, Any], path: Path) -> Waves:
    sizes = content.get("waves", [])
    if not all(isinstance(size, int) and not isinstance(size, bool) and size > 0 for size in sizes):
        raise ParameterError(
            f"{path}: waves must be sizes", found=str(sizes), remedy="Write [1, 4, 20]: the last one repeats."
        )
    return Waves(
        tuple(sizes),
        content.get("parallelism", Waves.parallelism),
        content.get("halt_after", Waves.halt_after),
        content.get("pause_between_waves", Waves.pause),
    )


def _pod(given: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    if unknown := sorted(set(given) - set(_POD)):
        raise ParameterError(
            f"{path}: pod cannot have {', '.join(unknown)}", remedy=f"It takes {', '.join(_POD)}."
        )
    return given


def _targets(given: Any, path: Path) -> list[Target]:
    kinds: Mapping[str, tuple[type, ...]] = {"name": (str,), "namespace": (str,), "parameters": (dict,)}
    targets = []
    for number, one in enumerate(given, 1):
        where = f"{path}: target {number}"
        if not isinstance(one, dict):
            raise ParameterError(f"{where}: is not a mapping", found=str(one), remedy="Write {name: …}.")
        _assert_shape(one, kinds, where)
        name = one.get("name") or one.get("namespace") or ""
        _assert_name(name, f"{where}: name")
        targets.append(Target(name, one.get("namespace") or name, one.get("parameters", {})))
    return targets


def _discovery(given: Mapping[str, Any] | None, path: Path) -> Discovery | None:
    if given is None:
        return None
    _assert_shape(given, {"namespaces": (str,), "parameters": (dict,)}, f"{path}: discover")
    if not given.get("namespaces"):
        raise ParameterError(
            f"{path}: discover must say which namespaces",
            remedy="Write {namespaces: LABEL=VALUE}, a label selector.",
        )
    return Discovery(given["namespaces"], given.get("parameters", {}))


def _assert_consistent(fleet: Fleet, path: Path) -> None:
    if not (fleet.targets or fleet.discover):
        raise ParameterError(f"{path}: names no targets", remedy="Give targets, or discover.")
    if fleet.schedule and (len(fleet.waves.sizes) > 0 or fleet.waves.pause):
        raise ParameterError(
            f"{path}: a schedule and waves exclude each other",
            remedy="A CronJob runs checks, `parallelism` at a time. Roll a change out without a schedule.",
        )
    if fleet.time_zone and not fleet.schedule:
        raise ParameterError(f"{path}: time_zone is given without a schedule")


def assert_distinct(targets: tuple[Target, ...]) -> None:
    """Refuse two targets of one name, whose records would be one chain. Raises ParameterError."""
    names = [target.name for target in targets]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ParameterError(
            f"two targets have the name {', '.join(twice)}",
            found=", ".join(f"{t.name} in {t.namespace}" for t in targets if t.name in twice),
            remedy="A target's name is its folder in the store of records: give each its own.",
        )


def _assert_shape(
    content: Mapping[str, Any], kinds: Mapping[str, tuple[type, ...]], where: Path | str
) -> None:
    for key, value in content.items():
        if key not in kinds:
            near = get_close_matches(str(key), list(kinds), 1)
            hint = f"Did you mean {near[0]}?" if near else f"It takes {', '.join(kinds)}."
            raise ParameterError(f"{where}: {key!r} is not known", remedy=hint)
        is_number = int in kinds[key]
        if not isinstance(value, kinds[key]) or (is_number and isinstance(value, bool)):
            wanted = _WORDS[kinds[key][0]]
            raise ParameterError(
                f"{where}: {key} must be {wanted}", found=f"{type(value).__name__} {value!r}"
            )


_WORDS: Mapping[type, str] = {
    str: "a text",
    int: "a whole number",
    bool: "true or false",
    list: "a list",
    dict: "a mapping",
}


def _texts(values: list[Any], where: str) -> list[str]:
    if wrong := [value for value in values if not isinstance(value, str)]:
        raise ParameterError(
            f"{where}: must be texts",
            found=repr(wrong[0]),
            remedy='Quote numbers, because YAML reads 08 as text but 00 as 0: "00".',
        )
    return values


def _assert_name(name: str, where: str) -> None:
    if not _NAME.fullmatch(name):
        raise ParameterError(
            f"{where}: must be lower-case letters, digits and '-', at most 40 characters",
            found=repr(name),
        )
