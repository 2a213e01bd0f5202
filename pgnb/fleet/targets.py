"""The targets of a fleet, resolved: what each runs, with which parameters, and in which wave."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pgnb.cluster import Cluster
from pgnb.core.errors import ParameterError
from pgnb.fleet.fleetfile import LARGEST, Fleet, Target, assert_distinct
from pgnb.runbook import catalogue, params
from pgnb.runbook.approval import Policy

CHECKING = ("00", "01", "04", "05", "08", "10", "11")
"""Notebooks that change nothing unless they are asked for a change by dry_run = false."""
_OWN_ACCOUNT = {"kubeconfig": "", "context": ""}
MANY = 200
"""Namespaces that an error lists."""


@dataclass(frozen=True)
class Plan:
    """What a fleet's Job does: its targets by index, the sizes of its waves, and all values.

    `notebooks` are numbers or names as `pgnb run` takes them. `common`: values that all targets have, by
    notebook; a target's own are in its `parameters`, by notebook, too. `approval`: patterns of namespaces
    where nothing is changed without an approved plan. `changing`: whether a run may change a server.
    """

    fleet: str
    image: str
    records: str
    notebooks: tuple[str, ...]
    timeout: int
    approval: tuple[str, ...]
    language: str
    targets: tuple[Target, ...]
    common: Mapping[str, Mapping[str, Any]]
    waves: tuple[int, ...]
    changing: bool

    @property
    def content(self) -> str:
        """The plan as JSON, as the pods of the Job read it."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)

    @classmethod
    def of(cls, content: str) -> Plan:
        """Return the plan that a ConfigMap holds. Raises ParameterError for anything else."""
        try:
            found = json.loads(content)
            targets = tuple(Target(**one) for one in found["targets"])
            plain = {key: tuple(found[key]) for key in ("notebooks", "approval", "waves")}
            return cls(**found | plain | {"targets": targets})
        except (ValueError, TypeError, LookupError) as error:
            raise ParameterError("this is not the plan of a fleet", found=str(error)) from error

    def values(self, index: int, notebook: str) -> dict[str, Any]:
        """Return the values that a notebook gets for the target of an index."""
        return {**self.common[notebook], **self.targets[index].parameters.get(notebook, {})}

    @property
    def digest(self) -> str:
        """SHA-256 of the plan; two plans of one digest do the same."""
        return hashlib.sha256(self.content.encode()).hexdigest()

    def wave_of(self, index: int) -> int:
        """Return the number of the wave, from 1, to which an index belongs."""
        end = 0
        for number, size in enumerate(self.waves, 1):
            end += size
            if index < end:
                return number
        raise ParameterError(f"the fleet has no index {index}", found=f"0 to {len(self.targets) - 1}")

    def indexes(self, wave: int) -> range:
        """Return the indexes of a wave, by its number from 1."""
        start = sum(self.waves[: wave - 1])
        return range(start, start + self.waves[wave - 1])


def resolve(
    fleet: Fleet,
    cluster: Cluster,
    only: Sequence[str] = (),
    *,
    dry_run: bool = False,
    in_pods: bool = True,
) -> Plan:
    """Return the plan of a fleet: its own targets, then the namespaces that it discovers, by name.

    `only`: names of the targets to take. With `dry_run` each notebook only plans. `in_pods`: the notebooks
    run in pods of the cluster, which have an account and no kubeconfig. All values are validated as by `pgnb
    run`. Raises ParameterError for the first target that is wrong; AccessDenied without the right to list
    namespaces.
    """
    targets = _targets(fleet, cluster, only)
    _assert_numbers(fleet)
    given = {**fleet.parameters, **(_OWN_ACCOUNT if in_pods else {})}
    policy, language = Policy.of(given.pop("approval", None)), params.take_language(given)
    notebooks = {catalogue.number_of(path.stem): path for path in catalogue.select(fleet.notebooks)}
    values = [_values(given, target, notebooks, dry_run) for target in targets]
    common = {number: _shared([one[number] for one in values]) for number in notebooks}
    own = [{number: _beyond(one[number], common[number]) for number in notebooks} for one in values]
    return Plan(
        fleet=fleet.name,
        image=fleet.image,
        records=fleet.records,
        notebooks=tuple(notebooks),
        timeout=fleet.timeout,
        approval=policy.namespaces,
        language=language,
        targets=tuple(replace(t, parameters=one) for t, one in zip(targets, own, strict=True)),
        common=common,
        waves=fleet.waves.of(len(targets)),
        changing=any(_may_change(number, one[number]) for one in values for number in notebooks),
    )


def _targets(fleet: Fleet, cluster: Cluster, only: Sequence[str]) -> tuple[Target, ...]:
    """The targets to take: at least one, each of its own name, and no more than one Job takes."""
    targets = fleet.targets + _discovered(fleet, cluster)
    assert_distinct(targets)
    targets = _only(targets, only)
    if not targets:
        selector = fleet.discover.namespaces if fleet.discover else ""
        raise ParameterError(
            f"the fleet {fleet.name} has no targets",
            found=f"no namespace has the label {selector}",
            remedy="Label the namespaces, or write targets.",
        )
    if len(targets) > LARGEST:
        raise ParameterError(
            f"{len(targets)} targets are more than one Job takes here",
            remedy=f"Split the fleet into files of at most {LARGEST}.",
        )
    return targets


def _assert_numbers(fleet: Fleet) -> None:
    if paths := [name for name in fleet.notebooks if name.endswith(".ipynb")]:
        raise ParameterError(
            f"{paths[0]} is a path",
            remedy="Name notebooks by number, as 02 or 12_07: pods have those of the image.",
        )


def _may_change(notebook: str, values: Mapping[str, Any]) -> bool:
    """Whether a run may change something: it applies, or may apply and is not one that only checks."""
    mode = str(values.get("dry_run", "auto")).lower()
    return mode == "false" or (mode == "auto" and notebook not in CHECKING)


def _shared(values: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The values that all have."""
    first, *others = values
    return {
        key: value for key, value in first.items() if all(key in one and one[key] == value for one in others)
    }


def _beyond(values: Mapping[str, Any], common: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in common}


def _discovered(fleet: Fleet, cluster: Cluster) -> tuple[Target, ...]:
    if fleet.discover is None:
        return ()
    found = cluster.list("namespaces", fleet.discover.namespaces)
    named = {target.namespace for target in fleet.targets}
    names = sorted(one["metadata"]["name"] for one in found if "deletionTimestamp" not in one["metadata"])
    return tuple(Target(name, name, fleet.discover.parameters) for name in names if name not in named)


def _only(targets: tuple[Target, ...], only: Sequence[str]) -> tuple[Target, ...]:
    known = [target.name for target in targets]
    if unknown := [name for name in only if name not in known]:
        raise ParameterError(
            f"the fleet has no target {', '.join(unknown)}", found=f"it has {', '.join(known[:MANY])}"
        )
    return tuple(target for target in targets if not only or target.name in only)


def _values(
    common: Mapping[str, Any], target: Target, notebooks: Mapping[str, Path], dry_run: bool
) -> dict[str, dict[str, Any]]:
    """The values of each notebook for one target: the fleet's, then the target's own."""
    given = {**common, **target.parameters, "namespace": target.namespace}
    if dry_run:
        given["dry_run"] = "true"
    everywhere = [p.name for path in catalogue.notebooks().values() for p in params.declared(path)]
    try:
        return {number: params.validate(path, given, everywhere) for number, path in notebooks.items()}
    except ParameterError as error:
        raise ParameterError(
            f"target {target.name}: {error.message}", found=error.found, remedy=error.remedy
        ) from error


def papermill_runs(plan: Plan, stamp: str) -> list[dict[str, Any]]:
    """Return what plain papermill takes for each run of a plan: `input_nb`, `output_nb` and `parameters`.

    For engines that run notebooks themselves, such as Airflow. `stamp` names the run in the outputs' paths:
    RECORDS/TARGET/papermill/STAMP/NOTEBOOK.ipynb.
    """
    paths = dict(zip(plan.notebooks, catalogue.select(plan.notebooks), strict=True))
    return [
        {
            "input_nb": str(path),
            "output_nb": f"{plan.records.rstrip('/')}/{target.name}/papermill/{stamp}/{path.name}",
            "parameters": plan.values(index, number),
        }
        for index, target in enumerate(plan.targets)
        for number, path in paths.items()
    ]
