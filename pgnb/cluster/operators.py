"""Recognize operators and high-availability managers of a PostgreSQL server by their marks.

Each of them rewrites what it owns: settings, pg_hba.conf, slots, replicas, the primary's role. The marks are
those of their documentation and manifests (labels, annotations, variables, owners, programs).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pgnb.cluster.pods import Pod


@dataclass(frozen=True)
class Operator:
    """One operator. `own_way` says how settings, standbys and changes of roles are made with it.

    `prefixes` of labels and annotations, `labels` with their values, `variables` by prefix, `owners` by kind,
    `programs` in a command, an argument or a probe.
    """

    name: str
    own_way: str
    prefixes: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    variables: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()

    def marks(self, meta: Mapping[str, Any], spec: Mapping[str, Any]) -> Iterator[str]:
        """Yield the operator's marks in a pod's metadata and spec, as text."""
        texts = {**(meta.get("labels") or {}), **(meta.get("annotations") or {})}
        yield from (f"label or annotation {key}" for key in texts if key.startswith(self.prefixes))
        yield from (f"{key}={value}" for key, value in self.labels.items() if texts.get(key) == value)
        owners = {str(owner.get("kind")) for owner in meta.get("ownerReferences") or []}
        yield from (f"owner {kind}" for kind in self.owners if kind in owners)
        for container in spec.get("containers") or []:
            names = [str(env["name"]) for env in container.get("env") or []]
            yield from (f"variable {name}" for name in names if name.startswith(self.variables))
            words = _words(container)
            yield from (f"program {name}" for name in self.programs if any(name in word for word in words))


KNOWN: Sequence[Operator] = (
    Operator(
        "CloudNativePG",
        "Settings: spec.postgresql.parameters and pg_hba of the Cluster. Standbys: spec.instances. Roles:"
        " kubectl cnpg promote CLUSTER INSTANCE. Logical: Publication and Subscription resources.",
        prefixes=("cnpg.io/",),
    ),
    Operator(
        "EDB Postgres for Kubernetes",
        "Settings and standbys: the Cluster resource. Roles: kubectl cnp promote CLUSTER INSTANCE.",
        prefixes=("k8s.enterprisedb.io/",),
    ),
    Operator(
        "Percona Operator for PostgreSQL",
        "Settings: spec.patroni.dynamicConfiguration of the PerconaPGCluster. Roles: patronictl switchover.",
        prefixes=("pgv2.percona.com/",),
        labels={"app.kubernetes.io/managed-by": "percona-postgresql-operator"},
    ),
    Operator(
        "Crunchy PGO",
        "Settings: spec.patroni.dynamicConfiguration of the PostgresCluster. Standbys: spec.instances. Roles:"
        " spec.patroni.switchover.",
        prefixes=("postgres-operator.crunchydata.com/",),
    ),
    Operator(
        "StackGres",
        "Settings: an SGPostgresConfig. Standbys: spec.instances of the SGCluster. Roles: an SGDbOps.",
        prefixes=("stackgres.io/",),
        labels={"app": "StackGresCluster"},
    ),
    Operator(
        "KubeDB",
        "Settings: a configuration Secret and an OpsRequest. Standbys and roles: the Postgres resource.",
        prefixes=("kubedb.com/",),
        labels={"app.kubernetes.io/managed-by": "kubedb.com"},
    ),
    Operator(
        "Zalando postgres-operator (Spilo, Patroni)",
        "Settings and pg_hba: spec.postgresql.parameters and spec.patroni of the postgresql resource."
        " Standbys: spec.numberOfInstances. Slots: spec.patroni.slots. Roles: patronictl switchover.",
        labels={"application": "spilo"},
        variables=("SPILO_",),
        programs=("spilo",),
    ),
    Operator(
        "Kubegres",
        "Settings: its ConfigMap. Standbys and roles: spec.replicas and spec.failover of the Kubegres.",
        owners=("Kubegres",),
    ),
    Operator(
        "Stolon",
        "Settings: stolonctl update. Roles: stolonctl failkeeper.",
        labels={"component": "stolon-keeper"},
        variables=("STKEEPER_",),
        programs=("stolon-keeper",),
    ),
    Operator(
        "pg_auto_failover",
        "Roles: pg_autoctl perform switchover. Standbys: pg_autoctl create postgres.",
        variables=("PG_AUTOCTL_",),
        programs=("pg_autoctl",),
    ),
    Operator(
        "repmgr",
        "Roles: repmgr standby switchover. Standbys: repmgr standby clone; of the chart: replicaCount.",
        variables=("REPMGR_",),
        programs=("repmgrd",),
    ),
    Operator(
        "Patroni",
        "Settings, pg_hba and slots: patronictl edit-config (it drops slots that it does not know). Standbys:"
        " the replicas of its StatefulSet. Roles: patronictl switchover or failover.",
        variables=("PATRONI_",),
        programs=("patroni",),
    ),
)
"""An operator that builds on another one comes before it."""


@dataclass(frozen=True)
class InCharge:
    """An operator that manages a pod, and the marks that show it."""

    operator: Operator
    marks: tuple[str, ...]

    @property
    def summary(self) -> str:
        """Its name and the marks."""
        return f"{self.operator.name} ({', '.join(self.marks)})"


def operator_of(pod: Pod) -> InCharge | None:
    """Return the operator that manages a pod; None if there is no mark."""
    for operator in KNOWN:
        if marks := tuple(dict.fromkeys(operator.marks(pod.object["metadata"], pod.spec))):
            return InCharge(operator, marks[:3])
    return None


def _words(container: Mapping[str, Any]) -> list[str]:
    probes = [container.get(kind) or {} for kind in ("readinessProbe", "livenessProbe", "startupProbe")]
    paths = [str((probe.get("httpGet") or {}).get("path", "")) for probe in probes]
    image = str(container.get("image", "")).partition("@")[0].rpartition("/")[2].partition(":")[0]
    return [*(container.get("command") or []), *(container.get("args") or []), *paths, image]
