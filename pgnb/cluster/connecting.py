"""Connect to the cluster that a notebook's parameters name, in the requested mode."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from pgnb.cluster.client import Api
from pgnb.cluster.facade import Cluster
from pgnb.cluster.helper_spec import LABELS, HelperOptions
from pgnb.cluster.helpers import remove_left
from pgnb.cluster.kubeconfig import read_target
from pgnb.cluster.objects import get, list_all
from pgnb.cluster.server_spec import MANAGED_BY, ServerOptions
from pgnb.core.errors import ClusterError, GateClosed, ParameterError
from pgnb.core.journal import APPROVAL_NAMESPACES, APPROVED, Journal

PRACTICE = "pgnb/practice"
"""The label of a namespace in which dry_run = auto applies changes."""
APPROVAL = "pgnb/approval"
"""The label of a namespace; with the value `required`, nothing is changed there without an approved plan."""


def connect(
    kubeconfig: str = "",
    context: str = "",
    namespace: str = "",
    *,
    dry_run: bool | str = "auto",
    timeout: float = 10.0,
    accept_operator: Sequence[str] | None = None,
    helper_pods: Mapping[str, Mapping[str, Any]] | None = None,
    server_pods: Mapping[str, Mapping[str, Any]] | None = None,
) -> Cluster:
    """Return the cluster that the parameters name, after its API server has answered.

    `kubeconfig`: a file (`~` and `$VARIABLES` are expanded); empty: `$KUBECONFIG`, `~/.kube/config`, or the
    pod's own account inside a cluster. `context` and `namespace`: if empty, those of the file. `dry_run`:
    True plans only; "auto" applies changes only in a namespace that is labelled pgnb/practice=true. `timeout`
    is in seconds, for one request. `accept_operator`: a server that an operator manages is refused unless the
    operator is one of these, by name; None skips this check. `helper_pods`: labels, annotations and resources
    of the pods that pgnb starts beside servers; `server_pods`: the same, and service account and variables,
    for the standbys and subscribers that it makes. Helper pods that a killed run left are removed, unless
    this run only plans. Raises ApiUnreachable, AccessDenied, ParameterError.
    """
    wanted = _dry_run(dry_run)
    target = read_target(kubeconfig, context, namespace)
    options, servers = HelperOptions.of(helper_pods or {}), ServerOptions.of(server_pods or {})
    api = Api(target, Journal.from_environment(dry_run=True), timeout, options, servers)
    cluster = Cluster(api, accept_operator=accept_operator)
    _ = cluster.version
    if options.labels:
        _assert_unselected(api, "helper_pods", {**options.labels, **LABELS})
    if servers.labels:
        _assert_unselected(api, "server_pods", {**servers.labels, MANAGED_BY: "pgnb"})
    labels = {} if wanted else _labels(api)
    api.journal.dry_run = labels.get(PRACTICE) != "true" if wanted is None else wanted
    if not api.journal.dry_run:
        _assert_approved(api, labels)
    api.journal.facts(
        cluster=target.server_url, context=target.context, namespace=target.namespace, user=cluster.user
    )
    if not api.journal.dry_run:
        remove_left(api)
    return cluster


def _assert_approved(api: Api, labels: Mapping[str, str]) -> None:
    """Refuse to change anything without an approved plan, where the namespace takes no other changes."""
    if os.environ.get(APPROVED):
        return
    patterns = json.loads(os.environ.get(APPROVAL_NAMESPACES) or "[]")
    by = next((pattern for pattern in patterns if fnmatchcase(api.namespace, pattern)), "")
    if not (by or labels.get(APPROVAL) == "required"):
        return
    raise GateClosed(
        f"the namespace {api.namespace} takes approved changes only",
        found=f"approval.namespaces has {by!r}" if by else f"its label {APPROVAL}=required",
        remedy="Plan with dry_run = true, have the plan approved (pgnb records request, then approve), and"
        " carry it out by pgnb run --approved.",
    )


def _assert_unselected(api: Api, parameter: str, worn: Mapping[str, str]) -> None:
    """Raise ParameterError if labels would make new pods match a Service or a workload.

    The pods would become endpoints of the Service, or be adopted or deleted by the workload.
    """
    taken = [
        f"{kind.removesuffix('s')}/{item['metadata']['name']}"
        for kind in ("services", "deployments", "statefulsets")
        for item in list_all(api, kind)
        if _selects(item["spec"].get("selector") or {}, worn)
    ]
    if taken:
        raise ParameterError(
            f"{parameter}: with these labels the pods would match existing selectors",
            found=", ".join(taken),
            remedy="Remove a label that they select by; a network policy can select by another one.",
        )


def _selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Return whether a selector of a Service or workload matches these labels; an empty one does not."""
    rules = selector.get("matchExpressions") or []
    wanted = (
        (selector.get("matchLabels") or {})
        if {"matchLabels", "matchExpressions"} & set(selector)
        else selector
    )
    if not (wanted or rules):
        return False
    return wanted.items() <= labels.items() and all(_holds(rule, labels) for rule in rules)


def _holds(rule: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value, values = labels.get(rule["key"]), rule.get("values") or []
    return {
        "In": value in values,
        "NotIn": value not in values,
        "Exists": value is not None,
        "DoesNotExist": value is None,
    }[rule["operator"]]


def _dry_run(value: bool | str) -> bool | None:
    """Return the parameter's value; None for "auto"."""
    words = {"true": True, "false": False, "auto": None}
    if isinstance(value, bool):
        return value
    if str(value).lower() not in words:
        raise ParameterError(f"dry_run cannot be {value!r}", remedy="Use true, false or auto.")
    return words[str(value).lower()]


def _labels(api: Api) -> Mapping[str, str]:
    """Return the namespace's labels; none if it cannot be read, since not every login may read namespaces."""
    try:
        found = get(api, "namespaces", api.namespace)
    except ClusterError:
        return {}
    return ((found or {}).get("metadata") or {}).get("labels") or {}
