"""Rules about Deployments, ReplicaSets and StatefulSets."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable

from pgnb_rehearsal.api.objects import Object, lookup
from pgnb_rehearsal.api.selectors import label_selector
from pgnb_rehearsal.api.status import FieldError, forbidden_value, invalid_value, not_supported, required
from pgnb_rehearsal.api.validation.metadata import label_errors
from pgnb_rehearsal.api.validation.pods import pod_spec_errors

_STRATEGIES = ("Recreate", "RollingUpdate")
_UPDATE_STRATEGIES = ("RollingUpdate", "OnDelete")
_COUNTS = ("replicas", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds")
_MANAGEMENT = ("OrderedReady", "Parallel")


def deployment_errors(obj: Object) -> list[FieldError]:
    """What is wrong with a Deployment."""
    spec = obj.get("spec") or {}
    return [*_selector_errors(spec), *_template_errors(spec), *_counts(spec), *_strategy_errors(spec)]


def replica_set_errors(obj: Object) -> list[FieldError]:
    """What is wrong with a ReplicaSet."""
    spec = obj.get("spec") or {}
    return [*_selector_errors(spec), *_template_errors(spec), *_counts(spec)]


def stateful_set_errors(obj: Object) -> list[FieldError]:
    """What is wrong with a StatefulSet."""
    spec = obj.get("spec") or {}
    errors = [*_selector_errors(spec), *_template_errors(spec, _claim_names(spec)), *_counts(spec)]
    kind = lookup(spec, "updateStrategy", "type")
    if kind not in _UPDATE_STRATEGIES:
        errors.append(not_supported("spec.updateStrategy", json.dumps(kind), _UPDATE_STRATEGIES))
    management = spec.get("podManagementPolicy")
    if management not in _MANAGEMENT:
        errors.append(not_supported("spec.podManagementPolicy", json.dumps(management), _MANAGEMENT))
    return errors


def _claim_names(spec: Object) -> set[str]:
    return {lookup(claim, "metadata", "name") or "" for claim in spec.get("volumeClaimTemplates") or ()}


def _counts(spec: Object) -> list[FieldError]:
    return negative_errors(spec, "spec", _COUNTS)


def negative_errors(spec: Object, path: str, fields: Iterable[str]) -> list[FieldError]:
    """Numbers below `path` that may not be less than zero, and are."""
    return [
        invalid_value(f"{path}.{key}", str(spec[key]), "must be greater than or equal to 0")
        for key in fields
        if spec.get(key) is not None and spec[key] < 0
    ]


def _selector_errors(spec: Object) -> list[FieldError]:
    selector = spec.get("selector")
    if selector is None:
        return [required("spec.selector")]
    if not selector.get("matchLabels") and not selector.get("matchExpressions"):
        text = "empty selector is invalid for deployment"
        return [invalid_value("spec.selector", json.dumps(selector), text)]
    return []


def _template_errors(spec: Object, volumes: set[str] | None = None) -> list[FieldError]:
    labels = lookup(spec, "template", "metadata", "labels") or {}
    errors = []
    selector = spec.get("selector") or {}
    if selector and not label_selector({"matchLabels": {}, **selector})(labels):
        shown = json.dumps(labels, separators=(",", ":"), sort_keys=True)
        text = "`selector` does not match template `labels`"
        errors.append(invalid_value("spec.template.metadata.labels", shown, text))
    errors += pod_template_errors(spec, "spec", volumes or set())
    policy = lookup(spec, "template", "spec", "restartPolicy")
    if policy in ("OnFailure", "Never"):
        errors.append(not_supported("spec.template.spec.restartPolicy", json.dumps(policy), ("Always",)))
    return errors


def pod_template_errors(spec: Object, path: str, volumes: Collection[str] = frozenset()) -> list[FieldError]:
    """What is wrong with the template of a spec at `path`; a StatefulSet's claims are volumes of its pods."""
    template = spec.get("template") or {}
    pod = template.get("spec") or {}
    claimed = [{"name": name, "emptyDir": {}} for name in sorted(volumes)]
    completed = {**pod, "volumes": [*(pod.get("volumes") or ()), *claimed]}
    errors = label_errors(f"{path}.template", template.get("metadata") or {})
    return [*errors, *pod_spec_errors(completed, f"{path}.template.spec")]


def _strategy_errors(spec: Object) -> list[FieldError]:
    strategy = spec.get("strategy") or {}
    kind = strategy.get("type")
    if kind not in _STRATEGIES:
        return [not_supported("spec.strategy.type", json.dumps(kind), _STRATEGIES)]
    if kind == "Recreate" and strategy.get("rollingUpdate") is not None:
        text = "may not be specified when strategy `type` is 'Recreate'"
        return [forbidden_value("spec.strategy.rollingUpdate", text)]
    rolling = strategy.get("rollingUpdate") or {}
    if rolling.get("maxUnavailable") in (0, "0%") and rolling.get("maxSurge") in (0, "0%"):
        text = "may not be 0 when `maxSurge` is 0"
        return [invalid_value("spec.strategy.rollingUpdate.maxUnavailable", "0", text)]
    return []
