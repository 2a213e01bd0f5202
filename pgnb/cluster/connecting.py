"""From the parameters of a notebook to a cluster that has answered, in the mode that they ask for."""

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
"""The label of a namespace where runs change things without being told to."""


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
    """The cluster that the parameters name, once its API server has answered.

    `kubeconfig`: a file (`~` and `$VARIABLES` are expanded); empty: `$KUBECONFIG`, `~/.kube/config`, or the
    pod's own account inside a cluster. `context` and `namespace`: empty ones as in the file. `dry_run`:
    True plans only; "auto" carries changes out only in a namespace that is labelled pgnb/practice=true.
    `timeout` is in seconds, for one request. `accept_operator`: a server that an operator is in charge of is
    refused unless it is one of these, by name; None asks nothing. `helper_pods`: labels,
    annotations and resources of the pods that pgnb starts beside servers; `server_pods`: these, service
    account and variables of the standbys and subscribers that it makes. Helper pods that a killed run left
    are removed, unless this one only plans. Raises ApiUnreachable, AccessDenied, ParameterError.
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
    """What is made must be no endpoint of a Service, and no workload's pod, which would adopt or end it."""
    taken = [
        f"{kind.removesuffix('s')}/{item['metadata']['name']}"
        for kind in ("services", "deployments", "statefulsets")
        for item in list_all(api, kind)
        if _selects(item["spec"].get("selector") or {}, worn)
    ]
    if taken:
        raise ParameterError(
            f"{parameter}: these labels would make the pods part of what selects them",
            found=", ".join(taken),
            remedy="Leave out a label of their selectors; a network policy can select by another one.",
        )


def _selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a selector of a Service or a workload takes a pod with these labels; an empty one: no."""
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
    """None stands for "auto"."""
    words = {"true": True, "false": False, "auto": None}
    if isinstance(value, bool):
        return value
    if str(value).lower() not in words:
        raise ParameterError(f"dry_run cannot be {value!r}", remedy="Use true, false or auto.")
    return words[str(value).lower()]


def _only_plan(api: Api) -> bool:
    """What "auto" means here; also when the namespace cannot be read."""
    try:
        found = get(api, "namespaces", api.namespace)
    except ClusterError:
        return True
    labels = ((found or {}).get("metadata") or {}).get("labels") or {}
    return labels.get(PRACTICE) != "true"
