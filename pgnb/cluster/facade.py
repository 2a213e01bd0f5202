"""The cluster for notebooks: one object whose methods are the modules of this package."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from pgnb.cluster import (
    access,
    admission,
    commands,
    helpers,
    logs,
    objects,
    passwords,
    rollout,
    selection,
    workloads,
)
from pgnb.cluster.access import RIGHTS, Right
from pgnb.cluster.client import Api, Object
from pgnb.cluster.commands import ExecResult
from pgnb.cluster.forward import Forward, open_forward
from pgnb.cluster.helper_spec import HelperPod
from pgnb.cluster.helpers import Helper, HelperResult
from pgnb.cluster.logs import LogLine
from pgnb.cluster.manifests import Manifests, apply_rights, plan_apply
from pgnb.cluster.passwords import Secret
from pgnb.cluster.pods import POSTGRES_PORT, Pod
from pgnb.cluster.role_change_mark import Interrupted, told_changes
from pgnb.cluster.server_spec import ServerOptions
from pgnb.cluster.sockets import Sockets
from pgnb.cluster.workloads import Volume, Workload
from pgnb.core.checks import Check, Checks
from pgnb.core.display import Cell, Table, key_value_table
from pgnb.core.journal import Journal
from pgnb.core.plan import Change


class Cluster:
    """One namespace of one cluster, as one user; displayed as a table of the target and the mode."""

    def __init__(self, api: Api, *, accept_operator: Sequence[str] | None = None) -> None:
        self.api = api
        self.accept_operator = accept_operator
        """The operators whose servers this run may change, by name; None: no check."""
        self._sockets = Sockets(api)

    @property
    def journal(self) -> Journal:
        """The journal of this run."""
        return self.api.journal

    @property
    def dry_run(self) -> bool:
        """Whether this run only plans: the client then sends no request that changes something."""
        return self.api.journal.dry_run

    @property
    def context(self) -> str:
        """The kubeconfig's context."""
        return self.api.target.context

    @property
    def namespace(self) -> str:
        """The namespace of all objects."""
        return self.api.namespace

    @property
    def server_options(self) -> ServerOptions:
        """What the run gives to the pods of servers that it makes."""
        return self.api.server_options

    @property
    def server_url(self) -> str:
        """The API server's address."""
        return self.api.target.server_url

    @cached_property
    def version(self) -> str:
        """The API server's version, as `v1.36.0`."""
        return self.api.version

    @cached_property
    def user(self) -> str:
        """The user's name as the API server knows it."""
        return access.whoami(self.api) or self.api.target.user

    # Objects

    def get(self, kind: str, name: str) -> Object | None:
        """Return an object as JSON, or None if it does not exist. Raises AccessDenied, ApiUnreachable."""
        return objects.get(self.api, kind, name)

    def list(self, kind: str, selector: str = "") -> list[Object]:
        """Return every object of a kind that the label selector matches."""
        return objects.list_all(self.api, kind, selector)

    def apply(self, manifest: Mapping[str, Any], *, force: bool = False) -> Object:
        """Server-side apply as the manager `pgnb`, journalled. Raises Conflict with the managers' names."""
        return objects.apply(self.api, manifest, force=force)

    def plan_apply(self, manifests: Manifests, title: str) -> Change:
        """Return a plan that applies one manifest, several, or a YAML text."""
        return plan_apply(self.api, manifests, title)

    def create(self, manifest: Mapping[str, Any]) -> Object:
        """Create an object, journalled. Raises Conflict if it exists."""
        return objects.create(self.api, manifest)

    def try_create(self, manifest: Mapping[str, Any]) -> Object:
        """Return what the API server would make of a new object, in a dry run. Raises Rejected, Conflict."""
        return objects.try_create(self.api, manifest)

    def patch(self, kind: str, name: str, body: Mapping[str, Any], what: str) -> Object:
        """Merge some fields into an object, journalled as `what`."""
        return objects.patch(self.api, kind, name, body, what)

    def patch_as_seen(self, seen: Mapping[str, Any], body: Mapping[str, Any], what: str) -> Object:
        """Patch an object only if nobody else changed it since it was read.

        Raises Conflict with what differs; then nothing is overwritten.
        """
        return objects.patch_as_seen(self.api, seen, body, what)

    def delete(self, kind: str, name: str, *, uid: str = "") -> bool:
        """Delete an object (with `uid`: only that one), journalled; return False if it did not exist."""
        return objects.delete(self.api, kind, name, uid=uid)

    def events(self, uid: str) -> Sequence[Object]:
        """Return the events about one object, oldest first."""
        return objects.events_of(self.api, uid)

    # Rights

    def access_checks(self, rights: Iterable[Right] = RIGHTS, *, rbac_roles: Collection[str] = ()) -> Checks:
        """Return a check for each right; a missing one says why it is needed and how to get it.

        With `rbac_roles` the rights are those that these roles of pgnb/manifests/rbac.yaml give.
        """
        return access.access_checks(self.api, access.rights_of(rbac_roles) if rbac_roles else rights)

    def account_may(self, account: str, verb: str, what: str, namespace: str) -> bool:
        """Return whether a service account (`NAMESPACE:NAME`) may, as `create`, `pods/exec`, in a namespace.

        Raises AccessDenied if this user may not ask.
        """
        return access.account_may(self.api, account, verb, what, namespace)

    def apply_rights(self, manifests: Manifests) -> Sequence[Right]:
        """Return the rights that applying these manifests takes, for `access_checks`."""
        return apply_rights(self.api, manifests)

    # Pods

    def pods(self, selector: str, container: str = "") -> tuple[Pod, ...]:
        """Return every pod that the selector matches, oldest first, Ready or not."""
        return selection.matching(self.api, selector, container)

    def pod(self, selector: str, container: str = "") -> Pod:
        """Return the only Ready pod of the selector.

        Raises PodError with all pods that match, and their state.
        """
        return selection.single_ready_pod(self.api, selector, container)

    def exec(
        self,
        pod: Pod,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout: float = 60.0,
        check: bool = True,
        changes: str = "",
    ) -> ExecResult:
        """Run `argv` (without a shell) in the pod's container.

        `stdin` is sent and closed. `timeout` in seconds. `changes` is the journal's text of what the command
        changes; such a command is refused in a plan-only run (GateClosed). With `check` an exit status other
        than 0 raises ExecFailed with the end of stderr. Raises DeadlineExceeded, ExecFailed.
        """
        return commands.exec_in(
            self._sockets, pod, argv, stdin=stdin, timeout=timeout, check=check, changes=changes
        )

    def logs(
        self,
        pod: Pod,
        *,
        tail: int | None = None,
        since: timedelta | None = None,
        since_time: datetime | None = None,
        previous: bool = False,
        timestamps: bool = False,
        limit_bytes: int = logs.LIMIT,
    ) -> Sequence[LogLine]:
        """Return lines of a container's log: the last `tail`, or since a time, up to `limit_bytes`."""
        return logs.read_log(
            self.api,
            pod,
            tail=tail,
            since=since,
            since_time=since_time,
            previous=previous,
            timestamps=timestamps,
            limit_bytes=limit_bytes,
        )

    def forward(self, pod: Pod, port: int = POSTGRES_PORT) -> Forward:
        """Return a local address for a pod's port. Close it, or use it as a context manager."""
        return open_forward(self._sockets, pod, port)

    # Helper pods

    def run_helper(
        self,
        spec: HelperPod,
        *,
        timeout: float = 600.0,
        check: bool = True,
        on_log: Callable[[str], None] | None = None,
    ) -> HelperResult:
        """Run a helper pod to its end and always remove it, also after an interrupt.

        `timeout` in seconds, from its start; `on_log` gets each line of its output. Raises PodError if it
        can't start, ExecFailed (with `check`) for an exit status other than 0, DeadlineExceeded, and
        GateClosed in a plan-only run.
        """
        return helpers.run_helper(self.api, spec, timeout=timeout, check=check, on_log=on_log)

    def left_helpers(self, work: str) -> tuple[Pod, ...]:
        """Return helpers of killed runs that are still working at `work` (HelperPod.work).

        Those that have not started are removed by the next run that applies, as other helpers are. Those of a
        living run, or of another machine, where this cannot be known, are not included.
        """
        return helpers.left_helpers(self.api, work)

    def take_over(
        self, pod: Pod, *, timeout: float = 600.0, on_log: Callable[[str], None] | None = None
    ) -> HelperResult:
        """Follow one of `left_helpers` to its end and remove it; otherwise as `run_helper`.

        `on_log` gets the lines from now on.
        """
        return helpers.take_over(self.api, pod, timeout=timeout, on_log=on_log)

    def helper(self, spec: HelperPod, *, lifetime: float = 3600.0) -> AbstractContextManager[Helper]:
        """Start a helper pod that waits for commands, for work on a stopped server's volume.

        `spec.argv` is not used. The pod is removed at the end of the block, and ends by itself after
        `lifetime` seconds.
        """
        return helpers.open_helper(self._sockets, spec, lifetime=lifetime)

    def helper_manifest(self, spec: HelperPod, name: str, *, seconds: int) -> Object:
        """Return the manifest of a helper pod with the run's options; the pod ends after `seconds`."""
        return spec.with_options(self.api.helper_options).manifest(name, seconds=seconds)

    def wait_started(self, name: str, *, timeout: float = 300.0) -> None:
        """Wait, at most `timeout` seconds, until the container of a helper pod runs or has ended.

        Raises PodError at once if it never will: its Secret, its image or a node for it is missing.
        """
        helpers.wait_started(self.api, name, timeout)

    def pod_checks(
        self, pods: Mapping[str, Mapping[str, Any]], *, replacing: Collection[str] = ()
    ) -> Sequence[Check]:
        """Check by a dry run that the API server would accept each of these pods (by purpose).

        `replacing`: pods that come after another one has ended; a quota that is full now is advice there.
        """
        return admission.pod_checks(self.api, pods, replacing=replacing)

    def helper_checks(self, spec: HelperPod) -> Sequence[Check]:
        """Check by a dry run that the API server would accept such a helper pod."""
        manifest = self.helper_manifest(spec, f"{spec.name_prefix}-dry-run", seconds=60)
        return self.pod_checks({"helper pods": manifest})

    # Workloads

    def workload(self, pod: Pod) -> Workload:
        """Return what runs the pod: its Deployment, StatefulSet, or another owner (then not `scalable`)."""
        return workloads.workload_of(self.api, pod)

    def find_workload(self, kind: str, name: str) -> Workload:
        """Return a Deployment or StatefulSet by its name. Raises NotFound."""
        return workloads.read_workload(self.api, kind, name)

    def volume(self, pod: Pod, path: str) -> Volume:
        """Return where a path of the pod's container lies; `.persistent`: whether it outlives the pod."""
        return workloads.volume_of(self.api, pod, path)

    def scale_and_wait(self, workload: Workload, replicas: int, *, timeout: float = rollout.TIMEOUT) -> str:
        """Scale and wait, journalled; return what was found at the end. Raises DeadlineExceeded."""
        return rollout.scale_and_wait(self.api, workload, replicas, timeout=timeout)

    def plan_restart(
        self,
        workload: Workload,
        *,
        volume: Volume,
        reason: str,
        timeout: float = rollout.TIMEOUT,
        before: Callable[[], str] | None = None,
    ) -> Change:
        """Return a plan that replaces the pod: the old one ends before the new one starts.

        `before` runs first. `volume` is where the server's data lies (`cluster.volume`); one that is not
        persistent is refused.
        """
        data = str(volume) if volume.persistent else ""
        return rollout.plan_restart(
            self.api, workload, data=data, reason=reason, timeout=timeout, before=before
        )

    def role_changes(self) -> tuple[Interrupted, ...]:
        """Return each change of roles in the namespace that was begun and not completed."""
        return told_changes(self.api)

    # Secrets

    def secret_value(self, name: str, key: str) -> Secret:
        """Return one key of a Secret, wrapped so that its value is never shown. Raises NotFound."""
        return passwords.secret_value(self.api, name, key)

    def resolve_password(self, reference: str, pod: Pod | None = None, user: str = "") -> Secret:
        """Return the password of a reference (`secret:NAME/KEY`, `env:NAME`, `passfile:PATH`,
        `pod-env:NAME`).

        `user` selects the line of a passfile. An empty reference is an empty password. Raises ParameterError,
        which never shows the text, and NotFound.
        """
        return passwords.resolve_password(self.api, reference, pod, user)

    # Itself

    def close(self) -> None:
        """Close the connections and forwards; they are opened again when needed."""
        self._sockets.close()
        self.api.close()

    @property
    def table(self) -> Table:
        """The target and the mode."""
        plan = Cell("plan only: nothing will be changed", "good")
        mode = plan if self.dry_run else Cell("apply: changes will be made", "warn")
        facts = {
            "context": self.context,
            "API server": f"{self.server_url} ({self.version})",
            "namespace": self.namespace,
            "user": self.user,
            "mode": mode,
        }
        if unverified := self.api.target.unverified:
            facts["server's certificate"] = Cell(unverified, "bad")
        return key_value_table("Cluster", facts)

    def _repr_html_(self) -> str:
        return self.table._repr_html_()

    def __repr__(self) -> str:
        return str(self.table)
