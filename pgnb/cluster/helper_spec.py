"""A helper pod's specification: the server's image with another command, also on the server's volume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pgnb.cluster.owner import ANNOTATION, WORK, this_process
from pgnb.cluster.placement import helper_resources, placement
from pgnb.cluster.pods import Pod
from pgnb.cluster.security import User, container_security
from pgnb.core.errors import ParameterError

LABELS: Mapping[str, str] = {"app.kubernetes.io/managed-by": "pgnb", "app.kubernetes.io/component": "helper"}
CONTAINER = "helper"
START = 300.0
"""Seconds within which a helper's container must run: a node, an attached volume, a pulled image."""
_POD_SECURITY = ("supplementalGroups", "supplementalGroupsPolicy", "seLinuxOptions")
_COPY = 'umask 077; while [ $# -gt 1 ]; do cp "$1" "$2" || exit 1; shift 2; done'
"""A constant script; its arguments are pairs of paths."""


@dataclass(frozen=True)
class SecretFile:
    """A Secret's key as a file that only the helper's user can read (mode 0600), as libpq requires.

    A Secret volume cannot do this: with fsGroup its files become 0640, without it they belong to root.
    """

    secret: str
    key: str
    path: str


@dataclass(frozen=True)
class HelperOptions:
    """Options of every helper pod of a run: labels for network policies, annotations for meshes, resources.

    The resources replace those that a helper copies from the server.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    resources: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, given: Mapping[str, Mapping[str, Any]]) -> HelperOptions:
        """Return the options from a notebook's parameter. Raises ParameterError for a wrong key or type."""
        known: Mapping[str, type] = {"labels": str, "annotations": str, "resources": dict}
        for key, values in given.items():
            kind = known.get(key, object)
            right = isinstance(values, Mapping) and all(isinstance(value, kind) for value in values.values())
            if key not in known or not right:
                raise ParameterError(
                    f"helper_pods cannot have {key} = {values!r}",
                    remedy='Write {"labels": {"KEY": "text"}, "annotations": {"KEY": "text"},'
                    ' "resources": {"requests": {"cpu": "100m"}, "limits": {"memory": "128Mi"}}}.',
                )
        return cls(**given)


@dataclass(frozen=True)
class HelperPod:
    """A pod for one piece of work. `claims` maps mount paths to PersistentVolumeClaims.

    `secret_env` maps variables to a Secret's name and key. `uid` and `gid` None: as in the image. `placement`
    is copied into the pod's spec (node selector, tolerations, pull secrets, affinity), `pod_security` into
    its securityContext. `non_root`: the image's own user is known not to be root. `start_timeout` in seconds,
    from its creation until its container runs. `pinned_by` is the claim whose pod decides the node; empty:
    any of its claims. `work` is set if the helper must outlive a killed run: the ID by which the next run
    finds it.
    """

    name_prefix: str
    image: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    secret_env: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    secret_files: tuple[SecretFile, ...] = ()
    claims: Mapping[str, str] = field(default_factory=dict)
    pinned_by: str = ""
    read_only: bool = False
    uid: int | None = None
    gid: int | None = None
    fs_group: int | None = None
    node: str = ""
    service_account: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    resources: Mapping[str, Any] = field(default_factory=dict)
    placement: Mapping[str, Any] = field(default_factory=dict)
    pod_security: Mapping[str, Any] = field(default_factory=dict)
    non_root: bool = False
    start_timeout: float = START
    work: str = ""
    sub_paths: Mapping[str, str] = field(default_factory=dict)
    """The subPath of a claim, by its mount path; without one the whole claim is mounted."""
    files: tuple[tuple[Mapping[str, Any], Mapping[str, Any]], ...] = ()
    """Volumes of another pod with their mounts, read-only: certificates at the same paths."""

    def like(self, pod: Pod) -> HelperPod:
        """Return the same work with that pod's placement, pull secrets, service account, group, limits."""
        spec, security = pod.spec, pod.spec.get("securityContext") or {}
        own = security | (pod.container_spec.get("securityContext") or {})
        return replace(
            self,
            image=self.image or pod.image,
            placement=placement(spec) | dict(self.placement),
            resources=self.resources or helper_resources(pod.container_spec),
            service_account=self.service_account or spec.get("serviceAccountName", ""),
            fs_group=security.get("fsGroup") if self.fs_group is None else self.fs_group,
            pod_security={key: security[key] for key in _POD_SECURITY if security.get(key)},
            non_root=self.non_root or bool(own.get("runAsNonRoot")),
        )

    def with_options(self, options: HelperOptions) -> HelperPod:
        """Return the same work with the run's options for helpers; its own labels and pgnb's marks win."""
        return replace(
            self,
            labels={**options.labels, **self.labels},
            annotations={**options.annotations, **self.annotations},
            resources=options.resources or self.resources,
        )

    def with_files_of(self, pod: Pod, paths: Sequence[str]) -> HelperPod:
        """Return the same work with the pod's Secrets and ConfigMaps that hold these files, mounted alike."""
        return replace(self, files=tuple(pod.files(paths)))

    def manifest(self, name: str, *, seconds: int) -> dict[str, Any]:
        """Return the pod's manifest; the pod ends by itself after `seconds`, without pgnb."""
        spec: dict[str, Any] = dict(self.placement) | {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": seconds,
            "terminationGracePeriodSeconds": 5,
            "enableServiceLinks": False,
            # A helper makes no API requests; the server's service account is set only for policies.
            "automountServiceAccountToken": False,
            "securityContext": self._pod_security(),
            "volumes": self._volumes(),
            "containers": [self._container()],
        }
        spec |= {"initContainers": [self._copier()]} if self.secret_files else {}
        spec |= {"serviceAccountName": self.service_account} if self.service_account else {}
        spec |= {"nodeName": self.node} if self.node else {}
        marks = {ANNOTATION: this_process(), **({WORK: self.work} if self.work else {})}
        meta = {
            "name": name,
            "labels": dict(self.labels) | dict(LABELS),
            "annotations": {**self.annotations, **marks},
        }
        return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}

    def _container(self) -> dict[str, Any]:
        env: list[dict[str, Any]] = [{"name": key, "value": value} for key, value in self.env.items()]
        env += [
            {"name": variable, "valueFrom": {"secretKeyRef": {"name": name, "key": key}}}
            for variable, (name, key) in self.secret_env.items()
        ]
        names = self._claim_volumes()
        mounts: list[dict[str, Any]] = [
            {"name": names[claim], "mountPath": path, "readOnly": self.read_only, **self._sub_path(path)}
            for path, claim in self.claims.items()
        ]
        mounts += [{"name": "private", "mountPath": path} for path in self._private_directories()]
        mounts += [dict(mount) | {"readOnly": True} for _, mount in self.files]
        return {
            "name": CONTAINER,
            "image": self.image,
            "command": list(self.argv),
            "env": env,
            "volumeMounts": mounts,
            "resources": dict(self.resources),
            "securityContext": self._security(),
        }

    def _claim_volumes(self) -> dict[str, str]:
        """Return the volumes of the claims, each once.

        A kubelet starts no pod that names one claim in two volumes.
        """
        return {claim: f"claim-{number}" for number, claim in enumerate(dict.fromkeys(self.claims.values()))}

    def _sub_path(self, path: str) -> dict[str, str]:
        return {"subPath": self.sub_paths[path]} if path in self.sub_paths else {}

    def _copier(self) -> dict[str, Any]:
        pairs = [
            word
            for number, file in enumerate(self.secret_files)
            for word in (f"/pgnb-secret-{number}/{file.key}", file.path)
        ]
        mounts = [
            {"name": f"secret-{n}", "mountPath": f"/pgnb-secret-{n}", "readOnly": True}
            for n in range(len(self.secret_files))
        ]
        mounts += [{"name": "private", "mountPath": path} for path in self._private_directories()]
        return {
            "name": "copy-secrets",
            "image": self.image,
            "command": ["sh", "-c", _COPY, "sh", *pairs],
            "volumeMounts": mounts,
            "resources": dict(self.resources),
            "securityContext": self._security(),
        }

    def _private_directories(self) -> list[str]:
        return sorted({file.path.rpartition("/")[0] for file in self.secret_files})

    def _volumes(self) -> list[dict[str, Any]]:
        volumes: list[dict[str, Any]] = [
            {"name": name, "persistentVolumeClaim": {"claimName": claim}}
            for claim, name in self._claim_volumes().items()
        ]
        volumes += [
            {"name": f"secret-{number}", "secret": {"secretName": file.secret, "items": [_item(file.key)]}}
            for number, file in enumerate(self.secret_files)
        ]
        volumes += {volume["name"]: dict(volume) for volume, _ in self.files}.values()
        private = {"name": "private", "emptyDir": {"medium": "Memory"}}
        return [*volumes, private] if self.secret_files else volumes

    def _pod_security(self) -> dict[str, Any]:
        own: dict[str, Any] = {"runAsUser": self.uid, "runAsGroup": self.gid, "fsGroup": self.fs_group}
        if self.fs_group is not None:
            own["fsGroupChangePolicy"] = "OnRootMismatch"
        return {key: value for key, value in own.items() if value is not None} | dict(self.pod_security)

    def _security(self) -> dict[str, Any]:
        """Return the least privileges that the work needs, as a `restricted` namespace requires."""
        user = User(self.uid, self.uid if self.gid is None else self.gid) if self.uid else None
        return container_security(user, non_root=self.non_root)


def _item(key: str) -> dict[str, str]:
    return {"key": key, "path": key}
