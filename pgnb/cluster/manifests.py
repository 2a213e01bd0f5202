"""Apply manifests as a plan: the current objects beside what the API server would make of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import yaml

from pgnb.cluster.access import Right
from pgnb.cluster.client import Api, Object
from pgnb.cluster.objects import apply, delete, get, label_of, owners, path_of, replace, resource_of
from pgnb.cluster.unchanged import assert_as_seen, content
from pgnb.core.errors import AccessDenied, Conflict, NotFound, ParameterError
from pgnb.core.plan import Change, Confirmation, Step

Manifests = Mapping[str, Any] | Sequence[Mapping[str, Any]] | str
_ALLOCATED = ("clusterIP", "clusterIPs", "healthCheckNodePort")
"""Fields of a Service that the API server fills in, each time otherwise."""
_BY_HAND = ("kubectl", "Mozilla", "python-requests", "OpenAPI-Generator", "k9s", "node-fetch", "unknown")
"""Field managers of a person, as kubectl-client-side-apply, which do not change fields back."""


@dataclass(frozen=True)
class _Desired:
    """One manifest, the current object, what it would become, and whose fields it takes."""

    manifest: Mapping[str, Any]
    label: str
    before: Object | None
    after: Mapping[str, Any]
    taken: tuple[str, ...]
    foreign: tuple[str, ...]

    @property
    def changes(self) -> bool:
        return self.before is None or content(self.before) != content(self.after)


def plan_apply(api: Api, manifests: Manifests, title: str) -> Change:
    """Return a plan for one manifest, several, or a YAML text; only differences become steps.

    The differences are those of a dry run on the API server, so its defaults do not appear. Fields that a
    person set by kubectl are taken over, and the plan says so; those of another controller need the
    confirmation `take_over`. A Secret's values are not shown. Raises ParameterError, Rejected.
    """
    desired = [_compare(api, manifest) for manifest in _read(manifests)]
    changed = [item for item in desired if item.changes]
    return Change(
        title,
        api.journal,
        before="---\n".join(readable_yaml(item.before, None) for item in changed),
        after="---\n".join(readable_yaml(item.after, item.before) for item in changed),
        steps=[_step(api, item) for item in changed],
        note=_note(changed),
        undo_text="; ".join(_undo_text(item) for item in changed),
        confirmations=_confirmations(changed),
        undo=lambda: _plan_undo(api, title, changed),
    )


def apply_rights(api: Api, manifests: Manifests) -> list[Right]:
    """Return the rights for applying them: patch each by its name, create those that do not exist."""
    return [right for manifest in _read(manifests) for right in _rights(api, manifest)]


def _rights(api: Api, manifest: Mapping[str, Any]) -> list[Right]:
    known, name, label = resource_of(api, manifest), manifest["metadata"]["name"], label_of(api, manifest)
    patch = Right("patch", known.plural, known.group, f"to make {label}", name)
    if get(api, known.plural, name) is not None:
        return [patch]
    return [Right("create", known.plural, known.group, f"to make {label}"), patch]


def _read(manifests: Manifests) -> list[Mapping[str, Any]]:
    if isinstance(manifests, Mapping):
        return [manifests]
    if not isinstance(manifests, str):
        return list(manifests)
    try:
        found = [document for document in yaml.safe_load_all(manifests) if document]
    except (yaml.YAMLError, RecursionError) as error:
        raise ParameterError("a manifest is not valid YAML", found=" ".join(str(error).split())) from error
    return [item for document in found for item in _items(document)]


def _items(document: object) -> list[Mapping[str, Any]]:
    if not isinstance(document, Mapping):
        raise ParameterError("a manifest is not an object", found=type(document).__name__)
    return list(document["items"]) if document.get("kind") == "List" else [document]


def _compare(api: Api, manifest: Mapping[str, Any]) -> _Desired:
    label, path = label_of(api, manifest), path_of(api, manifest)
    try:
        before: Object | None = api.call("GET", path)
    except NotFound:
        before = None
    met = _owners_met(api, manifest)
    try:
        after: Mapping[str, Any] = apply(api, manifest, force=bool(met), dry_run=True)
        if before is None and after.get("kind") == "Service":
            after = _without_allocations(after, manifest)
    except (AccessDenied, NotFound):
        # Without the right to patch, or the namespace, the plan is made from what can be read.
        after = merged(before or {}, manifest)
    foreign = tuple(name for name in met if not name.startswith(_BY_HAND))
    return _Desired(manifest, label, before, after, tuple(met), foreign)


def _without_allocations(after: Mapping[str, Any], manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Remove addresses and ports that a dry run of a new Service allocates: the real one gets others."""
    asked = manifest.get("spec") or {}
    spec = {key: value for key, value in after["spec"].items() if key in asked or key not in _ALLOCATED}
    given = {port.get("nodePort") for port in asked.get("ports") or ()}
    if "ports" in spec:
        spec["ports"] = [
            {key: value for key, value in port.items() if key != "nodePort" or value in given}
            for port in spec["ports"]
        ]
    return {**after, "spec": spec}


def _owners_met(api: Api, manifest: Mapping[str, Any]) -> list[str]:
    """Return the other managers whose fields the manifest would change."""
    try:
        apply(api, manifest, dry_run=True)
    except Conflict as conflict:
        return sorted(owners(conflict))
    except (AccessDenied, NotFound):
        return []
    return []


def merged(before: Mapping[str, Any], manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Merge `manifest` into `before`, mapping by mapping; lists are replaced."""
    both = dict(before)
    for key, value in manifest.items():
        old = both.get(key)
        nested = isinstance(old, Mapping) and isinstance(value, Mapping)
        both[key] = merged(old, value) if nested else value  # type: ignore[arg-type]
    return both


def _step(api: Api, item: _Desired) -> Step:
    def run() -> str:
        apply(api, item.manifest, force=bool(item.taken), seen=(item.before,))
        return "created" if item.before is None else "changed"

    what = "create" if item.before is None else "change"
    return Step(item.label, f"{what} by server-side apply", run, journalled=True)


def _note(changed: Sequence[_Desired]) -> str:
    taken = [f"{item.label} from {', '.join(item.taken)}" for item in changed if item.taken]
    return f"Takes over fields: {'; '.join(taken)}." if taken else ""


def _confirmations(changed: Sequence[_Desired]) -> list[Confirmation]:
    foreign = sorted({name for item in changed for name in item.foreign})
    why = (
        "Another controller owns fields that this changes and may change them back; change"
        " its source instead."
    )
    return [Confirmation("take_over", ", ".join(foreign), why)] if foreign else []


def _undo_text(item: _Desired) -> str:
    return f"delete {item.label}" if item.before is None else f"restore {item.label} as it is now"


def _plan_undo(api: Api, title: str, changed: Sequence[_Desired]) -> Change:
    made = [item for item in changed if item.before is None]
    claims = [w.manifest["metadata"]["name"] for w in made if w.manifest["kind"] == "PersistentVolumeClaim"]
    why = "The data on the volume is deleted with its claim."
    return Change(
        f"Undo: {title}",
        api.journal,
        before="---\n".join(readable_yaml(item.after, None) for item in reversed(changed)),
        after="---\n".join(readable_yaml(item.before, None) for item in reversed(changed) if item.before),
        steps=[_undo_step(api, item) for item in reversed(changed)],
        confirmations=[Confirmation("delete_claim", ", ".join(claims), why)] if claims else [],
    )


def _undo_step(api: Api, item: _Desired) -> Step:
    name, before = str(item.manifest["metadata"]["name"]), item.before
    if before is None:
        kind = resource_of(api, item.manifest).plural
        return Step(item.label, "delete", lambda: _deleted(api, kind, name), journalled=True)
    return Step(item.label, "restore", lambda: _put_back(api, before), journalled=True)


def _deleted(api: Api, kind: str, name: str) -> str:
    return "deleted" if delete(api, kind, name) else "was not there"


def _put_back(api: Api, before: Object) -> str:
    now = api.call("GET", path_of(api, before))
    assert_as_seen(api, label_of(api, before), before, now)
    back = deepcopy(before)
    back["metadata"]["resourceVersion"] = now["metadata"]["resourceVersion"]
    back["metadata"].pop("managedFields", None)
    back.pop("status", None)
    replace(api, back, "restored")
    return "restored"


def readable_yaml(found: Mapping[str, Any] | None, before: Mapping[str, Any] | None = None) -> str:
    """Return an object as YAML, a Secret's values hidden; values that differ from `before` are marked."""
    if not found:
        return ""
    shown = content(found)
    if shown.get("kind") == "Secret":
        old = (before or {}).get("data") or {}
        for part in ("data", "stringData"):
            shown.update({part: {k: _hidden(v, old.get(k, v)) for k, v in (shown.get(part) or {}).items()}})
        shown = {key: value for key, value in shown.items() if value != {}}
    return str(yaml.dump(shown, Dumper=_Readable, sort_keys=False, allow_unicode=True, width=100))


def _hidden(value: str, old: str) -> str:
    return "(hidden)" if value == old else "(hidden, different)"


class _Readable(yaml.SafeDumper):
    """Multi-line texts as blocks, as a person writes configuration files into a ConfigMap."""


def _block(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Readable.add_representer(str, _block)
