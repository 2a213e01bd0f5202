"""Allow one run at a time on one database, by a Lease (coordination.k8s.io) that is renewed.

As in client-go's leader election: whether a holder is alive is judged by changes of its record as seen from
here, never by its clock (k8s.io/client-go/tools/leaderelection). An expired Lease is not free by itself,
because a run that hangs may continue: somebody has to name its holder.
"""

from __future__ import annotations

import atexit
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any

from pgnb.cluster.client import Api, Object
from pgnb.cluster.objects import MANAGER, MERGE, get
from pgnb.cluster.owner import ANNOTATION, has_died, this_process, this_run
from pgnb.cluster.resources import resource
from pgnb.core.errors import ClusterError, Conflict, LeaseHeld, LeaseLost, NotFound
from pgnb.core.wait import wait_until

DURATION = 60
"""Seconds without a renewal after which a Lease has expired."""
_EVERY = 10.0
"""Seconds between two renewals."""
_DEADLINE = 40.0
"""Seconds after the last renewal from which its holder changes nothing more, before others may break it."""
_USER, _NOTEBOOK = "pgnb/user", "pgnb/notebook"
_KIND = resource("leases")
_OWN: dict[tuple[str, str, str], HeldLease] = {}
"""The Leases of this process, by API server, namespace and name: a cell that runs again takes its own again.
"""


@dataclass(frozen=True)
class LeaseRecord:
    """A Lease as it was read; `holder` is "" for a free one. Its times are by its holder's clock."""

    name: str
    holder: str
    process: str
    user: str
    notebook: str
    since: str
    renewed: str
    seconds: int
    version: str

    @classmethod
    def of(cls, found: Object) -> LeaseRecord:
        """Return the record of a Lease's JSON."""
        meta, spec = found["metadata"], found.get("spec") or {}
        marks = meta.get("annotations") or {}
        return cls(
            meta["name"],
            spec.get("holderIdentity") or "",
            marks.get(ANNOTATION, ""),
            marks.get(_USER, ""),
            marks.get(_NOTEBOOK, ""),
            spec.get("acquireTime") or "",
            spec.get("renewTime") or "",
            int(spec.get("leaseDurationSeconds") or DURATION),
            meta["resourceVersion"],
        )

    @property
    def mine(self) -> bool:
        """Whether this process holds it."""
        return bool(self.holder) and self.process == this_process() != ""

    @property
    def free(self) -> bool:
        """Whether it may be taken at once: released, this process's own, or its holder has died."""
        return not self.holder or self.mine or has_died(self.process)

    @property
    def summary(self) -> str:
        """The holder in one line."""
        notebook = f", notebook {self.notebook}" if self.notebook else ""
        return f"{self.holder} (Kubernetes user {self.user or '?'}{notebook}, since {self.since})"


def lease_name(system_identifier: str) -> str:
    """Return the name of a database cluster's Lease."""
    return f"pgnb-{system_identifier}"


def read_lease(api: Api, name: str) -> LeaseRecord | None:
    """Return the Lease; None if it does not exist."""
    found = get(api, "leases", name)
    return None if found is None else LeaseRecord.of(found)


def take_lease(api: Api, name: str, *, notebook: str, user: str, break_lease: str = "") -> HeldLease:
    """Take the Lease and renew it; from now on every change of the run checks it first.

    `break_lease` names a holder whose Lease may be taken after it was seen to expire, which takes up to its
    duration. Raises LeaseHeld with the holder's name, AccessDenied without the rights on leases.
    """
    record = read_lease(api, name)
    if record is not None and not record.free:
        if break_lease != record.holder:
            raise _held(record)
        record = _wait_expired(api, record)
    lease, place = HeldLease(api, name, notebook, user), (api.target.server_url, api.namespace, name)
    if (former := _OWN.get(place)) is not None:
        former.retire(api)
        record = read_lease(api, name)
    lease.take(record)
    _OWN[place] = lease
    return lease


def _held(record: LeaseRecord) -> LeaseHeld:
    return LeaseHeld(
        f"somebody else is working on this database: lease/{record.name} is held",
        found=record.summary,
        remedy="Wait until that run has ended. If you are sure that it is dead or hangs, set"
        f" the parameter break_lease = {record.holder!r}: then the Lease is taken over"
        f" after {record.seconds} s without a renewal.",
    )


def _wait_expired(api: Api, first: LeaseRecord) -> LeaseRecord | None:
    """Return the record after it did not change for its duration. Raises LeaseHeld if it did."""
    started = monotonic()

    def probe() -> LeaseRecord | None:
        now = read_lease(api, first.name)
        if now is not None and not now.free and now.version != first.version:
            raise _alive(now)
        return now

    return wait_until(
        f"lease/{first.name} of {first.holder} to expire",
        probe,
        lambda now: now is None or now.free or monotonic() - started >= first.seconds,
        timeout=first.seconds + 30.0,
        every=1.0,
        describe=lambda _: "no renewal seen",
    )


def _alive(record: LeaseRecord) -> LeaseHeld:
    return LeaseHeld(
        f"lease/{record.name} can't be broken: its holder is alive",
        found=f"renewed by {record.summary}",
        remedy="End that run first, or wait until it has ended.",
    )


@dataclass
class HeldLease:
    """A Lease of this run: renewed by a thread until it is released, and checked before each change."""

    api: Api
    name: str
    notebook: str
    user: str
    _version: str = field(default="", repr=False)
    _renewed: float = field(default=0.0, repr=False)
    _taken_by: str = field(default="", repr=False)
    _stop: Event = field(default_factory=Event, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    @property
    def holder(self) -> str:
        """A unique name of this run: user, host, PID."""
        return this_run()

    def take(self, record: LeaseRecord | None) -> None:
        """Write this run into the record as it was read. Raises LeaseHeld if another run was faster."""
        try:
            found = self._create() if record is None else self._write(self._body(), record.version)
        except Conflict as conflict:
            now = read_lease(self.api, self.name)
            raise (_held(now) if now is not None and now.holder else conflict) from conflict
        self._version = found["metadata"]["resourceVersion"]
        self.api.journal.guards.append(self.assert_held)
        self.api.journal.at_finish.append(self.release)
        atexit.register(self.release)
        Thread(target=self._keep, name=f"pgnb-{self.name}", daemon=True).start()

    def _create(self) -> Object:
        meta = {"name": self.name, **self._body()["metadata"]}
        body = {**self._body(), "apiVersion": _KIND.group_version, "kind": _KIND.kind, "metadata": meta}
        started = monotonic()
        path = _KIND.path(self.api.namespace)
        made = self.api.call("POST", path, query={"fieldManager": MANAGER}, body=body)
        self._renewed = started
        return made

    def _body(self) -> dict[str, Any]:
        marks = {ANNOTATION: this_process(), _USER: self.user, _NOTEBOOK: self.notebook}
        spec = {
            "holderIdentity": self.holder,
            "leaseDurationSeconds": DURATION,
            "acquireTime": _now(),
            "renewTime": _now(),
        }
        return {"metadata": {"annotations": marks}, "spec": spec}

    def _write(self, body: Mapping[str, Any], version: str) -> Object:
        """Change the record only if it is still the one of `version`."""
        started = monotonic()
        meta = {**body.get("metadata", {}), "resourceVersion": version}
        found = self.api.call(
            "PATCH",
            _KIND.path(self.api.namespace, self.name),
            query={"fieldManager": MANAGER},
            body={**body, "metadata": meta},
            content_type=MERGE,
        )
        self._renewed = started
        return found

    def _keep(self) -> None:
        while not self._stop.wait(_EVERY):
            with self._lock:
                self._renew()

    def _renew(self) -> None:
        if self._stop.is_set():
            return
        try:
            self._version = self._write({"spec": {"renewTime": _now()}}, self._version)["metadata"][
                "resourceVersion"
            ]
        except (Conflict, NotFound):
            self._look()
        except ClusterError:
            return  # Tried again; after the deadline nothing is changed any more.

    def _look(self) -> None:
        """Read a record that somebody else changed, and find out who holds it.

        A label that was added by hand does not take the Lease away.
        """
        with suppress(ClusterError):
            now = read_lease(self.api, self.name)
            if now is not None and now.mine and now.holder == self.holder:
                self._version = now.version
                return
            self._taken_by = now.summary if now is not None and now.holder else "nobody: it was deleted"
            self._stop.set()

    def assert_held(self) -> None:
        """Raise LeaseLost unless this run holds the Lease now."""
        left = _DEADLINE - (monotonic() - self._renewed)
        if self._taken_by or self._stop.is_set() or left <= 0:
            why = self._taken_by or ("it was released" if self._stop.is_set() else "it could not be renewed")
            raise LeaseLost(
                f"this run has lost lease/{self.name}: it changes nothing more",
                found=why,
                remedy="Find out who is working on the database now; if nobody is, run the notebook again.",
            )

    def retire(self, successor: Api | None = None) -> None:
        """Stop renewing without releasing: another cell of this process, or `successor`, takes it."""
        with self._lock:
            if successor is not None and successor.journal is self.api.journal:
                self.api.journal.guards.remove(self.assert_held)
                self.api.journal.at_finish.remove(self.release)
            self._taken_by = self._taken_by or "a later cell of this notebook took it"
            self._stop.set()
            atexit.unregister(self.release)

    def release(self) -> None:
        """Release the Lease, so that the next run finds it free. Does nothing the second time."""
        with self._lock:
            if self._stop.is_set():
                return
            self._stop.set()
            atexit.unregister(self.release)
            with suppress(ClusterError):  # It expires by itself.
                self._write({"spec": {"holderIdentity": None, "renewTime": _now()}}, self._version)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
