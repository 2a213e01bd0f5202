"""A service account with the roles of pgnb/manifests/rbac.yaml, and what a run asks of the API server."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml

from pgnb.cluster import Cluster
from pgnb.cluster.client import Api
from pgnb.cluster.sockets import Sockets
from pgnb_rehearsal.client import Client

Right = tuple[str, str]
"""Verb and resource, the subresource behind a slash."""
Named = tuple[str, str, str]
"""Verb, resource and the one object's name."""
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


def granted(roles: Collection[str]) -> set[Right]:
    """The rights in some of the roles that ship with pgnb."""
    rules = [rule for m in _manifests({}) if m["metadata"]["name"] in roles for rule in m.get("rules", ())]
    return {(v, resource) for rule in rules for v in rule["verbs"] for resource in rule["resources"]}


def granted_by_name(roles: Collection[str], names: Mapping[str, str]) -> set[Named]:
    """The rights that those roles give on single objects only; `names` as for `kubeconfig_of_account`."""
    rules = [rule for m in _manifests(names) if m["metadata"]["name"] in roles for rule in m.get("rules", ())]
    return {
        (verb, resource, name)
        for rule in rules
        for verb in rule["verbs"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", ())
    }


def kubeconfig_of_account(
    cluster: Cluster, api: Client, admin: Path, path: Path, roles: Collection[str], names: Mapping[str, str]
) -> Path:
    """A kubeconfig of the account `pgnb`, bound to `roles` alone; `names` replaces the procedure's names."""
    for manifest in _manifests(names):
        if manifest["kind"] != "RoleBinding" or manifest["metadata"]["name"] in roles:
            cluster.apply(manifest)
        else:
            cluster.delete("rolebindings", manifest["metadata"]["name"])  # Of an earlier call.
    account = f"/api/v1/namespaces/{cluster.namespace}/serviceaccounts/pgnb/token"
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    config = yaml.safe_load(admin.read_text())
    config["users"][0]["user"] = {"token": api.create(account, request)["status"]["token"]}
    path.write_text(yaml.safe_dump(config))
    return path


def _manifests(names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    text = (files("pgnb") / "manifests" / "rbac.yaml").read_text(encoding="utf-8")
    for manifest in yaml.safe_load_all(text):
        for rule in manifest.get("rules", ()):
            if "resourceNames" in rule:
                rule["resourceNames"] = [names.get(name, name) for name in rule["resourceNames"]]
        yield manifest


@contextmanager
def recorded(monkeypatch: pytest.MonkeyPatch, by_name: set[Named] | None = None) -> Iterator[set[Right]]:
    """The rights that every answered request and every opened WebSocket took, as they are made.

    `by_name` gets those of requests for one object, with its name.
    """
    used: set[Right] = set()
    accept, open_socket = Api._accepted, Sockets.open

    @wraps(accept)
    def accepted(api: Api, answer: Any, request: str) -> bytes:
        if answer.status < 400 or answer.status == 404:  # Whether it is there is told only to who may know.
            used.update(_of_request(request, created=answer.status == 201))
            if by_name is not None:
                by_name.update(_of_one(request))
        return accept(api, answer, request)

    @wraps(open_socket)
    def opened(sockets: Sockets, pod: str, action: str, *more: Any) -> Any:
        used.update({("get", f"pods/{action}"), ("create", f"pods/{action}")})
        return open_socket(sockets, pod, action, *more)

    with monkeypatch.context() as patch:
        patch.setattr(Api, "_accepted", accepted)
        patch.setattr(Sockets, "open", opened)
        yield used


def _of_one(request: str) -> Iterator[Named]:
    name = request.partition("/namespaces/")[2].split("/")[2:3]
    for verb, resource in _of_request(request, created=False) if name else ():
        yield verb, resource, name[0]


def _of_request(request: str, *, created: bool) -> Iterator[Right]:
    method, _, path = request.partition(" ")
    inside = path.partition("/namespaces/")[2].split("/")[1:]
    if not inside:
        if "/namespaces/" in path:
            yield "get", "namespaces"
        return
    verb = _VERBS.get(method, "get" if len(inside) > 1 else "list")
    resource = "/".join(part for part in (inside[0], *inside[2:]) if part)
    yield verb, resource
    if created and verb == "patch":
        yield "create", resource
