"""Rules about metadata."""

from __future__ import annotations

import json

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.api.resources import RBAC, Resource
from pgnb_rehearsal.api.status import FieldError, forbidden_value, invalid_value, required
from pgnb_rehearsal.api.validation import names

_NAME_RULES: dict[str, names.NameRule] = {
    "cronjobs": names.cron_job_name,
    "namespaces": names.dns_label,
    "services": names.dns_label_1035,
}


def metadata_errors(resource: Resource, new: Object) -> list[FieldError]:
    """What is wrong with a new object's metadata."""
    metadata = new["metadata"]
    name = metadata.get("name")
    if not name:
        return [required("metadata.name", "name or generateName is required")]
    rule = names.path_segment if resource.group == RBAC else _NAME_RULES.get(resource.plural)
    texts = (rule or names.dns_subdomain)(name)
    errors = [invalid_value("metadata.name", json.dumps(name), text) for text in texts]
    return [*errors, *label_errors("metadata", metadata), *_owner_errors(metadata)]


def metadata_update_errors(old: Object, new: Object) -> list[FieldError]:
    """What is wrong with an updated object's metadata."""
    errors = label_errors("metadata", new["metadata"])
    if "deletionTimestamp" in old["metadata"]:
        before = set(old["metadata"].get("finalizers") or ())
        added = [name for name in new["metadata"].get("finalizers") or () if name not in before]
        if added:
            found = ", ".join(f'"{name}"' for name in added)
            text = (
                "no new finalizers can be added if the object is being deleted, "
                f"found new finalizers []string{{{found}}}"
            )
            errors.append(forbidden_value("metadata.finalizers", text))
    return errors


def label_errors(path: str, metadata: Object) -> list[FieldError]:
    """What is wrong with labels and annotations."""
    errors = []
    for key, value in (metadata.get("labels") or {}).items():
        where = f"{path}.labels"
        errors += [invalid_value(where, json.dumps(key), text) for text in names.qualified_name(key)]
        errors += [invalid_value(where, json.dumps(value), text) for text in names.label_value(value)]
    for key in metadata.get("annotations") or ():
        where = f"{path}.annotations"
        errors += [invalid_value(where, json.dumps(key), text) for text in names.qualified_name(key.lower())]
    return errors


def _owner_errors(metadata: Object) -> list[FieldError]:
    errors = []
    for index, owner in enumerate(metadata.get("ownerReferences") or ()):
        for key in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(key):
                errors.append(required(f"metadata.ownerReferences[{index}].{key}", "must not be empty"))
    return errors
