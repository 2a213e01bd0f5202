"""What can be known before a fleet's first pod starts: namespaces, account, rights, Secret, admission."""

from __future__ import annotations

from collections.abc import Iterator

from pgnb.cluster import Cluster
from pgnb.core.checks import Check, Checks
from pgnb.core.checks import gate as gate_checks
from pgnb.core.errors import AccessDenied, PgnbError
from pgnb.core.parallel import map_parallel
from pgnb.fleet.fleetfile import Fleet
from pgnb.fleet.job import job
from pgnb.fleet.targets import Plan

_NEEDED = (("get", "pods"), ("list", "pods"), ("create", "pods/portforward"), ("create", "pods/exec"))
"""What every notebook needs in a target's namespace; the rest depends on the notebook, and 01 checks it."""


def checks(cluster: Cluster, fleet: Fleet, plan: Plan) -> Checks:
    """Check what the pods of a fleet need; what this user may not read is said, and is no failure."""
    items = [
        *_account(cluster, fleet),
        *_secret(cluster, fleet),
        *_pod(cluster, fleet, plan),
        *_targets(cluster, fleet, plan),
    ]
    return Checks.of(f"Fleet {fleet.name}: what its pods need", items, cluster.journal)


def gate(cluster: Cluster, fleet: Fleet, plan: Plan) -> None:
    """Stop before anything is made unless the checks pass. Raises GateClosed."""
    gate_checks(checks(cluster, fleet, plan))


def _account(cluster: Cluster, fleet: Fleet) -> Iterator[Check]:
    name = fleet.service_account
    what, wanted = f"service account {name}", f"is in the namespace {cluster.namespace}"
    remedy = "Apply deploy/overlays/fleet, or name another service_account."
    try:
        found = cluster.get("serviceaccounts", name)
    except AccessDenied as denied:
        yield Check.fact(what, f"not known: {denied.message}")
        return
    yield Check(what, found is not None, "there" if found else "not there", wanted, remedy)


def _secret(cluster: Cluster, fleet: Fleet) -> Iterator[Check]:
    """Its keys, never its values, and only where this user may read it anyway."""
    if not (name := fleet.records_secret):
        return
    remedy = f"Make it: kubectl -n {cluster.namespace} create secret generic {name} --from-env-file=FILE"
    try:
        found = cluster.get("secrets", name)
    except AccessDenied as denied:
        yield Check.fact(f"Secret {name}", f"not known: {denied.message}")
        return
    keys = ", ".join(sorted((found or {}).get("data") or {}))
    yield Check(
        f"Secret {name}", bool(keys), keys or ("not there" if found is None else "empty"), "keys", remedy
    )


def _pod(cluster: Cluster, fleet: Fleet, plan: Plan) -> Iterator[Check]:
    template = job(fleet, plan, 1)["spec"]["template"]
    meta = {**template["metadata"], "name": f"pgnb-{fleet.name}-dry-run"}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": template["spec"]}
    yield from cluster.pod_checks({"pods of the fleet": pod})


def _targets(cluster: Cluster, fleet: Fleet, plan: Plan) -> list[Check]:
    namespaces = sorted({target.namespace for target in plan.targets})
    found = map_parallel(lambda namespace: _target(cluster, fleet, namespace), namespaces)
    failed = [check for check in found if not check.ok]
    unknown = [check.name for check in found if check.informs]
    good = len(found) - len(failed) - len(unknown)
    items = list(failed)
    if good:
        items.append(Check("other namespaces" if failed else "namespaces", True, f"{good} may be worked in"))
    if unknown:
        items.append(
            Check.fact("not known", f"rights in {', '.join(unknown)}: this user may not ask for them")
        )
    return items


def _target(cluster: Cluster, fleet: Fleet, namespace: str) -> Check:
    """Whether the fleet's account may do in a namespace what every notebook does."""
    account = f"{cluster.namespace}:{fleet.service_account}"
    wanted = f"{account} may get and list pods, forward and exec there"
    try:
        if cluster.get("namespaces", namespace) is None:
            return Check(namespace, False, "no such namespace", wanted, "Correct the target, or make it.")
        missing = [right for right in _NEEDED if not cluster.account_may(account, *right, namespace)]
    except AccessDenied:
        return Check.fact(namespace, "not known")
    except PgnbError as error:
        return Check(namespace, False, str(error), wanted)
    words = ", ".join(f"{verb} {what}" for verb, what in missing)
    remedy = f"kubectl -n {namespace} apply -k deploy/overlays/target"
    return Check(namespace, not missing, f"may not {words}" if missing else "may", wanted, remedy)
