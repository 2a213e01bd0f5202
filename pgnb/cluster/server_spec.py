"""The operator's options for the pods of servers that pgnb makes: labels, annotations, resources and more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pgnb.cluster.templates import Manifest
from pgnb.core.errors import ParameterError

MANAGED_BY = "app.kubernetes.io/managed-by"
"""The label of what pgnb made, with the value pgnb."""
_OWN = {"labels": ("app", MANAGED_BY), "env": ("PGDATA",)}
_VALUES = ("value", "secretKeyRef", "configMapKeyRef", "fieldRef", "resourceFieldRef")
_FORM = (
    'Write {"labels": {"KEY": "text"}, "annotations": {"KEY": "text"}, "resources": {"limits": {"cpu": "2"}},'
    ' "service_account": {"name": "NAME"}, "env": {"TZ": {"value": "UTC"}, "NAME": {"secretKeyRef":'
    ' {"name": "SECRET", "key": "KEY"}}}}: all of it or a part.'
)


def _texts(values: Mapping[str, Any]) -> bool:
    return all(isinstance(value, str) for value in values.values())


def _mappings(values: Mapping[str, Any]) -> bool:
    return all(isinstance(value, Mapping) for value in values.values())


def _account(values: Mapping[str, Any]) -> bool:
    return set(values) == {"name"} and _texts(values)


def _variables(values: Mapping[str, Any]) -> bool:
    return all(
        isinstance(value, Mapping)
        and len(value) == 1
        and all(isinstance(one, str if key == "value" else Mapping) for key, one in value.items())
        and set(value) <= set(_VALUES)
        for value in values.values()
    )


_KINDS: Mapping[str, Callable[[Mapping[str, Any]], bool]] = {
    "labels": _texts,
    "annotations": _texts,
    "resources": _mappings,
    "service_account": _account,
    "env": _variables,
}


@dataclass(frozen=True)
class ServerOptions:
    """Options of the pods of new servers, in addition to what is copied from the first server.

    `resources` replace the first server's, `env` (entries as in a container) replaces variables of the same
    names. A service account is for policies only: its token is not mounted.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    resources: Mapping[str, Any] = field(default_factory=dict)
    service_account: str = ""
    env: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def of(cls, given: Mapping[str, Mapping[str, Any]]) -> ServerOptions:
        """Return the options from a notebook's parameter. Raises ParameterError for a wrong key or type."""
        for key, values in given.items():
            if key not in _KINDS or not isinstance(values, Mapping) or not _KINDS[key](values):
                raise ParameterError(f"server_pods cannot have {key} = {values!r}", remedy=_FORM)
        taken = [key for part, names in _OWN.items() for key in names if key in (given.get(part) or {})]
        if taken:
            raise ParameterError(
                f"server_pods cannot have {', '.join(taken)}",
                found="the template has its own",
                remedy="Remove it: pgnb finds its servers by these labels, and data by PGDATA.",
            )
        return cls(
            given.get("labels") or {},
            given.get("annotations") or {},
            given.get("resources") or {},
            (given.get("service_account") or {}).get("name", ""),
            tuple(_entry(name, value) for name, value in (given.get("env") or {}).items()),
        )

    def dress(self, workload: Manifest, container: str) -> None:
        """Add them to the pod template of a workload's manifest; `container` is the server's in it."""
        template = workload["spec"]["template"]
        meta, spec = template.setdefault("metadata", {}), template["spec"]
        for key, values in (("labels", self.labels), ("annotations", self.annotations)):
            if values:
                meta[key] = {**(meta.get(key) or {}), **values}
        if self.service_account:
            spec["serviceAccountName"] = self.service_account
        servers = [one for one in spec["containers"] if one["name"] == container] or spec["containers"]
        if self.env:
            given = {entry["name"] for entry in self.env}
            kept = [entry for entry in servers[0].get("env") or [] if entry["name"] not in given]
            servers[0]["env"] = [*kept, *self.env]
        if self.resources:
            for one in (servers[0], *(spec.get("initContainers") or ())):
                one["resources"] = dict(self.resources)


def _entry(name: str, value: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, **value} if "value" in value else {"name": name, "valueFrom": dict(value)}
