"""Deploy a subscriber: one writable server in a Deployment, beside the publisher and with its image."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from pgnb.cluster.admission import pod_of_workload
from pgnb.cluster.environment import taken_over
from pgnb.cluster.placement import elsewhere
from pgnb.cluster.security import User, container_security, pod_security
from pgnb.cluster.templates import rendered
from pgnb.cluster.workloads import SCALED
from pgnb.core.checks import Checks
from pgnb.core.plan import Change, Step
from pgnb.core.tls import checked_tls, files_of
from pgnb.core.wait import wait_until
from pgnb.logical.schema import DUMP_RIGHTS, dump_pod
from pgnb.postgres import Server

_TEMPLATE = "subscriber.yaml"
_OWN_VARIABLES = ("PGDATA", "POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_INITDB_ARGS")
_DEFAULT_SIZE = "10Gi"
_PASSWORD_BYTES = 24
_START = 180.0


def plan_subscriber(
    publisher: Server,
    name: str,
    *,
    secret: str = "",
    size: str = "",
    storage_class: str = "",
    file: str = "",
    tls: Mapping[str, str] | None = None,
) -> Change:
    """Plan to deploy a server called `name`, with a claim, a Service and a Secret of random content.

    An existing Deployment or StatefulSet of that name is used as it is; without a name nothing is created.
    `secret` is the Secret's name, by default the Deployment's; `size` and `storage_class` replace those of
    the publisher's claim; `file` is the operator's own template. The files that `tls` (libpq's TLS options)
    names are mounted as in the publisher's pod. Raises ParameterError for TLS options that libpq cannot use,
    and for a template that cannot be read. Applying is refused before the first object is created if a right
    is missing to create any of them, or to dump the schemas for the subscriber.
    """
    cluster, title = publisher.cluster, f"subscriber {name}"
    if not name:
        return Change(
            "subscriber", publisher.journal, note="Nothing to deploy: subscriber_selector finds it."
        )
    there = next((k for k in SCALED if cluster.get(f"{k.lower()}s", name)), "")
    if there:
        return Change(title, publisher.journal, note=f"The {there} {name} exists; it is used as it is.")
    secret = secret or name
    given = publisher.pod.files(files_of(checked_tls(tls or {})))
    values = _values(publisher, name, secret, size, storage_class, own_file=bool(file))
    volumes = {volume["name"]: volume for volume, _ in given}
    values |= {"more_volumes": list(volumes.values()), "more_mounts": [mount for _, mount in given]}
    manifests = rendered(file, _TEMPLATE, values)
    for workload in (manifest for manifest in manifests if manifest["kind"] in SCALED):
        cluster.server_options.dress(workload, publisher.pod.container)
    plan = cluster.plan_apply(manifests, title)
    lacks_secret = cluster.get("secrets", secret) is None
    first = [_secret_step(publisher, secret)] if lacks_secret else []
    made = [*([_secret_manifest(secret)] if lacks_secret else []), *manifests]
    ready = Step(f"deployment/{name}", "wait until its server is Ready", lambda: _started(publisher, name))
    return Change(
        title,
        publisher.journal,
        plan.before,
        plan.after,
        [*first, *plan.steps, ready],
        note=plan.note,
        undo_text=plan.undo_text,
        confirmations=plan.confirmations,
        undo=plan.undo,
        precheck=lambda: (
            cluster.access_checks([*cluster.apply_rights(made), *DUMP_RIGHTS])
            + _pods_tried(publisher, name, manifests)
        ),
    )


def _pods_tried(publisher: Server, name: str, manifests: Sequence[Mapping[str, Any]]) -> Checks:
    """Check by a dry run that the API server accepts the subscriber's pod, and that of pg_dump."""
    workloads = [manifest for manifest in manifests if manifest.get("kind") in SCALED]
    pods = {f"the pod of {manifest['metadata']['name']}": pod_of_workload(manifest) for manifest in workloads}
    pods["the pod of pg_dump"] = publisher.cluster.helper_manifest(
        dump_pod(publisher), "pgnb-dump-dry-run", seconds=60
    )
    title = f"Before the subscriber {name} is created"
    return Checks.of(title, publisher.cluster.pod_checks(pods), publisher.journal)


def _values(
    publisher: Server, name: str, secret: str, size: str, storage_class: str, *, own_file: bool
) -> dict[str, Any]:
    """Return the template's values: the publisher's image, user and size."""
    pod, owner = publisher.pod, User(publisher.owner.uid, publisher.owner.gid)
    volume = publisher.cluster.volume(pod, publisher.facts.data_directory)
    mount = volume.mount or publisher.facts.data_directory
    return {
        "name": name,
        "labels": {"app": name, "app.kubernetes.io/managed-by": "pgnb"},
        "secret": secret,
        "image": pod.image,
        "container": pod.container,
        "user": publisher.login.user,
        "mount": mount,
        "data_directory": f"{mount}/pgdata",
        "port": 5432,
        "uid": owner.uid,
        "gid": owner.gid,
        "initdb_args": "--data-checksums" if publisher.facts.checksums else "",
        "pod_security": pod_security(pod.spec, owner),
        "container_security": container_security(owner),
        "placement": elsewhere(pod.spec),
        **taken_over(
            pod.container_spec,
            publisher.cluster.server_options.env,
            own=_OWN_VARIABLES,
            passwords={"secretKeyRef": {"name": secret, "key": "password"}},
            own_file=own_file,
        ),
        "resources": pod.container_spec.get("resources"),
        "pull_secrets": pod.spec.get("imagePullSecrets"),
        "size": size or volume.size or _DEFAULT_SIZE,
        "access_modes": list(volume.access_modes) or ["ReadWriteOnce"],
        "storage_class": storage_class or volume.storage_class,
    }


def _secret_step(publisher: Server, secret: str) -> Step:
    def run() -> str:
        content = {"username": publisher.login.user, "password": secrets.token_urlsafe(_PASSWORD_BYTES)}
        data = {key: base64.b64encode(value.encode()).decode() for key, value in content.items()}
        publisher.cluster.apply(_secret_manifest(secret) | {"data": data})
        return "a random password was created"

    return Step(f"secret/{secret}", "create a random password in its key password", run, journalled=True)


def _secret_manifest(secret: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret}}


def _started(publisher: Server, name: str) -> str:
    cluster = publisher.cluster
    selector = f"app={name}"

    def ready() -> str:
        pods = cluster.pods(selector)
        return "" if len(pods) != 1 or pods[0].not_ready_reason else pods[0].name

    def words(_: str) -> str:
        return (
            "; ".join(f"{pod.name}: {pod.not_ready_reason or 'Ready'}" for pod in cluster.pods(selector))
            or "no pod"
        )

    pod = wait_until(
        f"the server of {name}",
        ready,
        timeout=_START,
        every=0.2,
        describe=words,
        remedy="Read the pod's events and its log.",
    )
    return f"{pod} is Ready"
