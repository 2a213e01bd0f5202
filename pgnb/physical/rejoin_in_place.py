"""Rejoin on the old primary's own volume: standby.signal, pg_rewind if needed, configuration, start."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from pgnb.cluster import Helper
from pgnb.core.checks import Check, Checks
from pgnb.core.errors import ChangeFailed
from pgnb.core.plan import Step
from pgnb.physical import scripts
from pgnb.physical.bootstrap import Bootstrap
from pgnb.physical.install import assert_startable, configure
from pgnb.physical.old_primary_data import OldPrimaryData, read_control
from pgnb.physical.rewind import Rewind


@dataclass
class RejoinInPlace:
    """One rejoin without a base backup; `work` has the target, the role and the start of a standby."""

    work: Bootstrap
    old_data: OldPrimaryData
    timeline: int
    """The new primary's timeline at the time of planning."""

    def follow_steps(self) -> list[Step]:
        """Return the steps by primary_conninfo alone."""
        slots = ", ".join(self.old_data.control.slots)
        dropped = f", remove the slots that it kept as a primary ({slots})" if slots else ""
        what = f"write standby.signal{dropped}, and the role: {self.work.role.connection}"
        return [self._step(what, self.follow), self._start_step()]

    def rewind_steps(self) -> list[Step]:
        """Return the steps by pg_rewind."""
        place = f"{self.work.target.directory} from {self.work.source.host}"
        what = f"CHECKPOINT there, pg_rewind of {place}, its own configuration kept, then the role"
        return [self._step(what, self.rewind), self._start_step()]

    def _start_step(self) -> Step:
        return self._step(
            "scale to 1, and see it stream from its slot with its application_name", self.work.start
        )

    def _step(self, what: str, act: Callable[[], str]) -> Step:
        return Step(self.work.target.name, what, act)

    def follow(self) -> str:
        """Write standby.signal first, so that the server can only start read-only, and then the role."""
        directory = self.work.target.directory
        with self._helper() as helper:
            self._assert_unchanged(helper)
            argv = scripts.argv("follow", args=(directory,))
            helper.exec(argv, changes=f"write {directory}/standby.signal, empty pg_replslot")
            self._configure(helper)
        return "configured; its data are unchanged"

    def rewind(self) -> str:
        """Rewind and configure in one helper pod, so that no other pod gets the volume in between."""
        work = self.work
        with self._helper() as helper:
            self._assert_unchanged(helper)
            result = Rewind(work.primary, work.target, work.source, work.spec.copy_timeout).run(helper)
            self._configure(helper)
        return result

    def _helper(self) -> AbstractContextManager[Helper]:
        work = self.work
        spec = work.target.helper("pgnb-rejoin", (), uid=work.owner.uid, gid=work.owner.gid)
        spec = work.source.given_to(spec, work.target.pod)
        return work.primary.cluster.helper(spec, lifetime=work.spec.copy_timeout + 600)

    def _assert_unchanged(self, helper: Helper) -> None:
        """Raise ChangeFailed if the data have changed since planning: somebody started the server."""
        control = read_control(helper, self.work.target.directory, self.work.primary.facts.bin_dir)
        now, before = control.found, self.old_data.control.found
        moved = [key for key in ("state", "checkpoint", "timeline") if now.get(key) != before.get(key)]
        if moved:
            raise ChangeFailed(
                f"the data of {self.work.target.name} have changed since planning",
                found="; ".join(f"{key}: {before.get(key)} before, {now.get(key)} now" for key in moved),
                remedy="Nothing was changed. Keep it scaled to 0 and run this again.",
            )

    def _configure(self, helper: Helper) -> None:
        target, role, bin_dir = self.work.target, self.work.role, self.work.primary.facts.bin_dir
        configure(helper, target.directory, role, elsewhere=target.configured_elsewhere)
        assert_startable(helper, target, role, bin_dir, target.directory)

    def precheck(self) -> Checks:
        """Check right before acting: same new primary, old primary stopped, no other pod on its volume."""
        work = self.work
        primary, facts = work.primary, work.primary.refresh()
        pods = primary.cluster.pods(work.target.workload.selector, work.target.pod.container)
        own, others = ", ".join(pod.name for pod in pods), ", ".join(work.other_pods_mounting())
        same = not facts.in_recovery and facts.timeline == self.timeline
        found, planned = f"{facts.role} on timeline {facts.timeline}", f"primary on timeline {self.timeline}"
        items = [
            Check("new primary", same, found, planned, "It has changed since planning: run this again."),
            Check(
                "old primary stopped",
                not own,
                own or "no pod",
                "no pod",
                "Scale it to 0 and wait until its pod is gone.",
            ),
            Check(
                "no other pod on the volume",
                not others,
                others or "none",
                "none",
                f"Wait until it ends, or delete it: it has mounted the claim {work.target.claim}.",
            ),
            *work.pod_checks(),
        ]
        return Checks.of(f"Before the rejoin of {work.target.name}", items, primary.journal)
