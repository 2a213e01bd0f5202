"""Namespaces: what each one has from its beginning, and how its content goes away with it."""

from __future__ import annotations

from collections.abc import Iterable

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.api.resources import RESOURCES
from pgnb_rehearsal.api.store import Event, Store
from pgnb_rehearsal.controllers.base import Controller
from pgnb_rehearsal.controllers.queue import Key

ROOT_CA = "kube-root-ca.crt"
_CONTENT = tuple(resource.plural for resource in RESOURCES if resource.namespaced)
_LAST = ("events",)
_LOOK_AGAIN = 0.1


class NamespaceController(Controller):
    """Every namespace has the service account `default` and the cluster's CA in a ConfigMap."""

    resource = "namespaces"
    watches = ("serviceaccounts", "configmaps")

    def __init__(self, store: Store, ca_certificate: str) -> None:
        super().__init__(store)
        self._ca_certificate = ca_certificate

    def related(self, plural: str, event: Event) -> Iterable[Key]:
        """A default that somebody deleted comes back."""
        if event.type == "DELETED" and event.object["metadata"]["name"] in ("default", ROOT_CA):
            yield Key("", event.object["metadata"]["namespace"])

    def reconcile(self, key: Key) -> float | None:
        namespace = self.store.find("namespaces", None, key.name)
        if namespace is None:
            return None
        if "deletionTimestamp" in namespace["metadata"]:
            return self._empty(key.name)
        self._furnish(key.name)
        return None

    def _furnish(self, name: str) -> None:
        for plural, obj in (("serviceaccounts", _account()), ("configmaps", self._ca_object())):
            obj["metadata"]["namespace"] = name
            if self.store.find(plural, name, obj["metadata"]["name"]) is None:
                self.store.create(plural, obj)

    def _ca_object(self) -> Object:
        note = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters."  # noqa: E501 - Kubernetes' own text
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": ROOT_CA, "annotations": {"kubernetes.io/description": note}},
            "data": {"ca.crt": self._ca_certificate},
        }

    def _empty(self, name: str) -> float | None:
        """Deletes what is left; once nothing is, the namespace itself. Returns when to look again."""
        left = [(plural, obj) for plural in _CONTENT for obj in self.store.list(plural, name)]
        for plural, obj in left:
            if plural not in _LAST and "deletionTimestamp" not in obj["metadata"]:
                self.store.delete(plural, name, obj["metadata"]["name"], propagation="Background")
        if any(plural not in _LAST for plural, _ in left):
            return _LOOK_AGAIN
        for plural, obj in left:
            self.store.delete(plural, name, obj["metadata"]["name"])
        self.store.remove("namespaces", None, name)
        return None


def _account() -> Object:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
