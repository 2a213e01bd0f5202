"""The status of ResourceQuotas: how much is used (kubernetes, pkg/controller/resourcequota)."""

from __future__ import annotations

from collections.abc import Iterable

from pgnb_rehearsal.api.quotas import COUNTED, used
from pgnb_rehearsal.api.store import Event
from pgnb_rehearsal.controllers.base import Controller, key_of
from pgnb_rehearsal.controllers.queue import Key
from pgnb_rehearsal.quantities import amounts


class QuotaController(Controller):
    """Counts anew whenever an object of the namespace comes, changes or goes."""

    resource = "resourcequotas"
    watches = tuple(resource.plural for resource in COUNTED if resource.plural != "resourcequotas")

    def keys(self, plural: str, event: Event) -> Iterable[Key]:
        """All quotas of the object's namespace: a quota may limit the number of quotas."""
        namespace = event.object["metadata"].get("namespace", "")
        return [key_of(quota) for quota in self.store.select("resourcequotas", namespace)]

    def reconcile(self, key: Key) -> float | None:
        quota = self.store.find("resourcequotas", *key)
        if quota is None:
            return None
        counted = {name: str(quantity) for name, quantity in sorted(used(self.store, quota).items())}
        hard = {name: str(q) for name, q in sorted(amounts(quota["spec"].get("hard")).items())}
        status = {"hard": hard, "used": counted} if hard else {}
        if status != quota.get("status"):
            self.store.update("resourcequotas", quota | {"status": status}, subresource="status")
        return None
