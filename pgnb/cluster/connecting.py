"""Connect to the cluster that a notebook's parameters name, in the requested mode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pgnb.cluster.client import Api
from pgnb.cluster.facade import Cluster
from pgnb.cluster.helper_spec import LABELS, HelperOptions
from pgnb.cluster.helpers import remove_left
from pgnb.cluster.kubeconfig import read_target
from pgnb.cluster.objects import get, list_all
from pgnb.cluster.server_spec import MANAGED_BY, ServerOptions
from pgnb.core.errors import ClusterError, ParameterError
from pgnb.core.journal import Journal

PRACTICE = "pgnb/practice"
"""The label of a namespace in which dry_run = auto applies changes."""


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
    api.journal.dry_run = _only_plan(api) if wanted is None else wanted
    api.journal.facts(cluster=target.server_url, context=target.context, namespace=target.namespace)
    if not api.journal.dry_run:
        remove_left(api)
    return cluster


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


def _only_plan(api: Api) -> bool:
    """Return whether "auto" means plan only here, as it does if the namespace cannot be read."""
    try:
        found = get(api, "namespaces", api.namespace)
    except ClusterError:
        return True
    labels = ((found or {}).get("metadata") or {}).get("labels") or {}
    return labels.get(PRACTICE) != "true"
