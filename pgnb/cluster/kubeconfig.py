"""Read the API server, user and namespace from a kubeconfig file or a pod's own account.

The only module that imports the kubernetes package: it reads configurations, renews credentials, and makes
the connections.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
import yaml
from kubernetes import client, config

from pgnb.core.errors import ApiUnreachable, ParameterError

DEFAULT_FILE = "~/.kube/config"
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where the kubelet mounts a pod's own account (Kubernetes: service account admission controller)."""


@cache
def key_file(content: bytes) -> str:
    """Return a path at which only this process's user can read `content`; the same path for the same content.

    TLS libraries take a key by its file's path. On Linux the file lies in this process's memory and ends with
    it; elsewhere it lies in a private directory, which is removed when the interpreter ends. It can be opened
    any number of times and by any thread. A program that is started does not inherit it.
    """
    if not hasattr(os, "memfd_create"):
        return _in_private_directory(content)
    path = Path(f"/proc/self/fd/{os.memfd_create('pgnb', os.MFD_CLOEXEC)}")
    path.write_bytes(content)
    return str(path)


def _in_private_directory(content: bytes) -> str:
    descriptor, path = tempfile.mkstemp(dir=_private_directory())
    os.close(descriptor)
    Path(path).write_bytes(content)
    return path


@cache
def _private_directory() -> str:
    path = tempfile.mkdtemp(prefix="pgnb-")
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def _kept(content: str | bytes, *_: object, **__: object) -> str:
    return key_file(content if isinstance(content, bytes) else content.encode())


config.kube_config._create_temp_file_with_content = _kept
"""Replaces the package's own function, which writes certificates and keys to files of the temporary
directory.
"""


@dataclass(frozen=True)
class Target:
    """One API server with one user and one namespace; `files` is empty inside a cluster."""

    context: str
    server_url: str
    namespace: str
    user: str
    files: str
    configuration: client.Configuration = field(repr=False, compare=False)

    @property
    def in_cluster(self) -> bool:
        """Whether pgnb runs in a pod of this cluster, so that pod addresses can be reached from here."""
        return not self.files

    @property
    def unverified(self) -> str:
        """Why this server may not be the intended one; "" if its certificate is checked."""
        if not self.server_url.startswith("https"):
            return "none: http, without TLS"
        if not self.configuration.verify_ssl:
            return "not checked: insecure-skip-tls-verify"
        return ""

    def pool(self, retries: urllib3.Retry) -> urllib3.PoolManager:
        """Return the connections to the API server, with the configuration's certificates and proxy."""
        self.configuration.retries = retries
        if self.unverified:  # It is shown in the cluster's table and in 01, not with every request.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        return client.ApiClient(self.configuration).rest_client.pool_manager


def read_target(kubeconfig: str = "", context: str = "", namespace: str = "") -> Target:
    """Return the target that the parameters name; empty ones as for kubectl.

    `kubeconfig`: a path or several, `~` and `$VARIABLES` are expanded; empty: `$KUBECONFIG`, the default
    file, or the pod's own account. Raises ApiUnreachable without a configuration, ParameterError for a
    context that is not in it.
    """
    files = _files(kubeconfig)
    if not files:
        return _own_account(namespace)
    contexts, current = _contexts(files)
    chosen = _choose(context or current, contexts, files)
    return _load(files, chosen, namespace)


def renewed(target: Target) -> Target:
    """Return the target with credentials read again: file, token, credential plugin, own account.

    Raises ApiUnreachable if there are none, or if the kubeconfig now names another server or user.
    """
    if target.in_cluster:
        return _own_account(target.namespace)
    contexts, _ = _contexts(target.files)
    fresh = _load(target.files, _choose(target.context, contexts, target.files), target.namespace)
    if (fresh.server_url, fresh.user) != (target.server_url, target.user):
        raise ApiUnreachable(
            f"the context {target.context!r} of {target.files} has changed since the run began",
            found=f"{fresh.user} at {fresh.server_url}; it was {target.user} at {target.server_url}",
            remedy="Run the notebook again from its first cell.",
        )
    return replace(target, configuration=fresh.configuration)


def _files(kubeconfig: str) -> str:
    asked = kubeconfig or os.environ.get("KUBECONFIG", "")
    paths = [_expanded(path) for path in (asked or DEFAULT_FILE).split(os.pathsep) if path]
    there = [path for path in paths if path.is_file()]
    if there:
        return os.pathsep.join(str(path) for path in there)
    if not asked and os.environ.get(config.incluster_config.SERVICE_HOST_ENV_NAME):
        return ""
    raise ApiUnreachable(
        f"there is no kubeconfig file {os.pathsep.join(str(path) for path in paths)}",
        found="the parameter kubeconfig" if kubeconfig else "$KUBECONFIG" if asked else "the default path",
        remedy="Set the parameter kubeconfig to the file that kubectl uses, or set $KUBECONFIG.",
    )


def _expanded(path: str) -> Path:
    return Path(os.path.expandvars(path)).expanduser()


def _contexts(files: str) -> tuple[dict[str, Mapping[str, Any]], str]:
    try:
        found, current = config.list_kube_config_contexts(files)
    except Exception as error:  # The package raises its own, PyYAML's and KeyErrors for a bad file.
        raise ApiUnreachable(
            f"the kubeconfig {files} cannot be used",
            found=str(error).splitlines()[0] if str(error) else type(error).__name__,
            remedy="Try `kubectl config view` and `kubectl config use-context NAME` on the same file.",
        ) from error
    return {entry["name"]: entry.get("context") or {} for entry in found}, (current or {}).get("name", "")


def _choose(
    name: str, contexts: Mapping[str, Mapping[str, Any]], files: str
) -> tuple[str, Mapping[str, Any]]:
    if name in contexts:
        return name, contexts[name]
    raise ParameterError(
        f"the kubeconfig {files} has no context {name!r}" if name else f"{files} names no current context",
        found=f"contexts: {', '.join(sorted(contexts)) or 'none'}",
        remedy="Set the parameter context to one of them.",
    )


def _load(files: str, chosen: tuple[str, Mapping[str, Any]], namespace: str) -> Target:
    name, context = chosen
    configuration = client.Configuration()
    try:
        config.load_kube_config(files, name, configuration, persist_config=False)
    except Exception as error:  # See _contexts; a failing credential plugin is also handled here.
        raise ApiUnreachable(
            f"no credentials for the context {name!r} in {files}",
            found=str(error).splitlines()[0] if str(error) else type(error).__name__,
            remedy=f"Try `kubectl --context {name} auth whoami`; log in again where it fails.",
        ) from error
    _assert_credentials(files, name, str(context.get("user", "")), configuration)
    _settle_proxy(configuration)
    _assert_proxy(configuration)
    inside = namespace or str(context.get("namespace") or "default")
    return Target(name, configuration.host, inside, str(context.get("user", "")), files, configuration)


def _assert_credentials(files: str, context: str, user: str, configuration: client.Configuration) -> None:
    """Raise ApiUnreachable if a credential plugin gave no credentials.

    The kubernetes client only logs a failing plugin and continues unauthenticated.
    """
    if configuration.auth_settings() or configuration.cert_file:
        return
    for path in files.split(os.pathsep):
        users = yaml.safe_load(Path(path).read_text(encoding="utf-8")).get("users") or []
        entries = [entry.get("user") or {} for entry in users if entry["name"] == user]
        plugins = [entry["exec"] for entry in entries if entry.get("exec")]
        if plugins:
            raise ApiUnreachable(
                f"the credential plugin of the user {user!r} gave no credentials",
                found=str(plugins[0].get("command", "")),
                remedy=f"Try `kubectl --context {context} auth whoami`; log in again where it fails.",
            )


def _assert_proxy(configuration: client.Configuration) -> None:
    """Raise ParameterError for a SOCKS proxy, because aiohttp, which carries the streams, cannot use it."""
    kind = urlsplit(configuration.proxy or "").scheme
    if kind.startswith("socks"):
        raise ParameterError(
            f"a proxy of the kind {kind} cannot be used",
            found="proxy-url of the kubeconfig, or a variable such as $https_proxy",
            remedy="Use an HTTP proxy; or let kubectl use this one, by `kubectl proxy"
            " --port=8001 --reject-paths='^$'` (by default it rejects exec), and name a"
            " kubeconfig whose server is http://127.0.0.1:8001.",
        )


def _settle_proxy(configuration: client.Configuration) -> None:
    """Set the proxy as kubectl does: the environment's, but not for this machine nor for $NO_PROXY.

    A proxy-url of the kubeconfig is kept; for the rest, versions of the official client differ.
    """
    address, proxies = urlsplit(configuration.host), getproxies()
    if configuration.proxy and configuration.proxy not in proxies.values():
        return
    host = address.hostname or ""
    here = host == "localhost" or host.startswith("127.") or host == "::1"
    configuration.proxy = None if here or proxy_bypass(host) else proxies.get(address.scheme)


def _own_account(namespace: str) -> Target:
    configuration = client.Configuration()
    try:
        config.load_incluster_config(configuration)
        inside = namespace or (ACCOUNT / "namespace").read_text(encoding="utf-8").strip()
    except (config.ConfigException, OSError) as error:
        raise ApiUnreachable(
            "neither a kubeconfig file nor a service account of a pod was found",
            found=str(error),
            remedy="Set the parameter kubeconfig, or give the pod a service account with its token mounted.",
        ) from error
    return Target("in-cluster", configuration.host, inside, "the pod's service account", "", configuration)
