"""A pod's /etc/hosts: its own name, hostAliases, and the names of Services and of pods behind headless ones.

There is no DNS server in the rehearsal cluster; names resolve from this file, which is rewritten in place
(its containers have bind-mounted its inode) as Services and endpoints change.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.api.store import Store

DOMAIN = "cluster.local"
_HEAD = """# Kubernetes-managed hosts file.
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
"""


@dataclass(frozen=True)
class Name:
    """An address and what it is called: `labels` joined by dots, below `namespace`.svc.cluster.local."""

    address: str
    labels: tuple[str, ...]
    namespace: str

    def line(self, seen_from: str) -> str:
        """The line of a hosts file in the namespace `seen_from`, where its own Services have short names."""
        stem = ".".join(self.labels)
        full = f"{stem}.{self.namespace}.svc.{DOMAIN}"
        names = [full, f"{stem}.{self.namespace}.svc", f"{stem}.{self.namespace}"]
        return f"{self.address}\t{' '.join(names + ([stem] if seen_from == self.namespace else []))}\n"


def names(store: Store) -> list[Name]:
    """All names that the cluster's DNS would know, as Services and EndpointSlices are at this moment."""
    found: list[Name] = []
    services = {_key(service): service for service in store.select("services")}
    for service in services.values():
        address = service["spec"].get("clusterIP", "")
        if address not in ("", "None"):
            found.append(Name(address, (service["metadata"]["name"],), service["metadata"]["namespace"]))
    for part in store.select("endpointslices"):
        namespace = part["metadata"]["namespace"]
        name = (part["metadata"].get("labels") or {}).get("kubernetes.io/service-name", "")
        behind = services.get((namespace, name))
        if behind is not None and behind["spec"].get("clusterIP") == "None":
            found += _behind(part, name, namespace)
    return found


def _key(service: Object) -> tuple[str, str]:
    return service["metadata"]["namespace"], service["metadata"]["name"]


def _behind(part: Object, service: str, namespace: str) -> Iterable[Name]:
    """The names of a headless Service: its own for every ready endpoint, and its pods' with a hostname."""
    for endpoint in part.get("endpoints") or ():
        if (endpoint.get("conditions") or {}).get("ready") is False:
            continue
        for address in endpoint["addresses"]:
            yield Name(address, (service,), namespace)
            if endpoint.get("hostname"):
                yield Name(address, (endpoint["hostname"], service), namespace)


class HostsFile:
    """The hosts file of one pod at `path`."""

    def __init__(self, path: Path, pod: Object) -> None:
        self.path = path
        self._pod = pod
        self._address = ""
        self._names: Sequence[Name] = ()
        self._text = ""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o644)
        self._write()

    def set_address(self, address: str) -> None:
        """The pod's own address."""
        self._address = address
        self._write()

    def set_names(self, known: Sequence[Name]) -> None:
        """What the cluster's DNS would know now."""
        self._names = known
        self._write()

    def _write(self) -> None:
        """Rewrite the file in place: one write, padded to the old length: no reader meets half of it."""
        text = self._wanted()
        if text == self._text:
            return
        fd = os.open(self.path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            data = text.encode()
            os.pwrite(fd, data.ljust(len(self._text.encode()), b"\n"), 0)
            os.ftruncate(fd, len(data))
        finally:
            os.close(fd)
        self._text = text

    def _own_names(self) -> str:
        spec, metadata = self._pod["spec"], self._pod["metadata"]
        hostname = str(spec.get("hostname") or metadata["name"])
        if not spec.get("subdomain"):
            return hostname
        return f"{hostname}.{spec['subdomain']}.{metadata['namespace']}.svc.{DOMAIN}\t{hostname}"

    def _wanted(self) -> str:
        spec, metadata = self._pod["spec"], self._pod["metadata"]
        text = _HEAD
        if self._address:
            text += f"{self._address}\t{self._own_names()}\n"
        for alias in spec.get("hostAliases") or ():
            text += f"{alias['ip']}\t{' '.join(alias['hostnames'])}\n"
        return text + "".join(name.line(metadata["namespace"]) for name in self._names)
