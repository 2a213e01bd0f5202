"""All controllers of the cluster."""

from __future__ import annotations

from pathlib import Path

from pgnb_rehearsal.api.store import Store
from pgnb_rehearsal.controllers.base import Controller
from pgnb_rehearsal.controllers.claims import ClaimController
from pgnb_rehearsal.controllers.cronjobs import CronJobController
from pgnb_rehearsal.controllers.deployments import DeploymentController
from pgnb_rehearsal.controllers.endpoints import EndpointsController
from pgnb_rehearsal.controllers.garbage import GarbageCollector
from pgnb_rehearsal.controllers.jobs import JobController
from pgnb_rehearsal.controllers.namespaces import NamespaceController
from pgnb_rehearsal.controllers.quotas import QuotaController
from pgnb_rehearsal.controllers.replicasets import ReplicaSetController
from pgnb_rehearsal.controllers.scheduler import Scheduler
from pgnb_rehearsal.controllers.statefulsets import StatefulSetController


def controllers(
    store: Store, *, node: str, volumes: Path, owner: int | None, ca_certificate: str
) -> tuple[Controller, ...]:
    """One of each. `node` is the only node's name; claims become directories below `volumes` that belong to
    the user and group `owner` (None: to whoever runs this); every namespace gets `ca_certificate` (PEM)."""
    return (
        NamespaceController(store, ca_certificate),
        ClaimController(store, volumes, owner),
        Scheduler(store, node),
        DeploymentController(store),
        ReplicaSetController(store),
        StatefulSetController(store),
        JobController(store),
        CronJobController(store),
        EndpointsController(store),
        GarbageCollector(store),
        QuotaController(store),
    )
