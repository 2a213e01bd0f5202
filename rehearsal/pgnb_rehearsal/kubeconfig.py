"""The kubeconfig of a rehearsal cluster: one context, the CA and a bearer token inside."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

import yaml

from pgnb_rehearsal.state import write_private


@dataclass(frozen=True)
class Access:
    """How the API server is reached: URL, CA certificate (PEM) and bearer token."""

    server: str
    ca: str
    token: str


def context_name(name: str) -> str:
    return f"pgnb-{name}"


def write_kubeconfig(path: Path, name: str, access: Access) -> None:
    """Writes the kubeconfig of the cluster `name`, readable by its owner alone (kubeconfig v1)."""
    context = context_name(name)
    authority = base64.b64encode(access.ca.encode()).decode()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": context, "cluster": {"server": access.server, "certificate-authority-data": authority}}
        ],
        "users": [{"name": context, "user": {"token": access.token}}],
        "contexts": [{"name": context, "context": {"cluster": context, "user": context}}],
        "current-context": context,
    }
    write_private(path, yaml.safe_dump(config, sort_keys=False))


def read_access(path: Path) -> Access:
    """The access that `write_kubeconfig` wrote."""
    config = yaml.safe_load(path.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    return Access(cluster["server"], authority, user["token"])
