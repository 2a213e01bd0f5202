"""The steps of a base backup, and what is undone when one fails."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

from pgnb.cluster import HelperPod, HelperResult, Pod
from pgnb.cluster.admission import pod_of_workload
from pgnb.cluster.security import User
from pgnb.core.checks import Check
from pgnb.core.display import format_bytes
from pgnb.core.errors import ChangeFailed, Conflict, DeadlineExceeded, PgnbError
from pgnb.core.plan import Step
from pgnb.core.wait import wait_until
from pgnb.physical import scripts
from pgnb.physical.backupoptions import BackupOptions
from pgnb.physical.connectivity import HELPER_PASSFILE
from pgnb.physical.copies import Earlier, earlier, unfit
from pgnb.physical.data_directory import DataDirectory, classify
from pgnb.physical.install import Role, install
from pgnb.physical.outside import Place, left_by_earlier, place_checks
from pgnb.physical.progress import BackupProgress
from pgnb.physical.slots import slots
from pgnb.physical.standby_spec import StandbySpec
from pgnb.physical.streaming import wait_streaming
from pgnb.physical.target import Target, inspect
from pgnb.postgres import Server
from pgnb.postgres.source import Source

_FREE_SLOT = 90.0
ROOM = 1.1
"""The volume needs the size of the copy and a tenth more, since WAL is written during the copy."""
BACKUP_NAME = "pgnb_base_backup"
WIPE = "wipe_standby_data"
"""The parameter that confirms, by the claim's name, that unknown data may be replaced."""
_OWN = "the standby's pod"


@dataclass
class Bootstrap:
    """One base backup in progress; `swapped` says whether the new data are in place."""

    primary: Server
    target: Target
    spec: StandbySpec
    source: Source
    role: Role
    owner: User
    interrupted: bool
    """Whether an earlier run was interrupted during its swap."""
    replacing: bool
    """Whether the old data directory will be beside the new one."""
    options: BackupOptions = field(default_factory=BackupOptions)
    work: str = ""
    """The work of its helper pod, by which a later run finds the pod."""
    earlier: Earlier = field(default_factory=Earlier)
    """What an earlier run left, to continue with."""
    places: Sequence[Place] = ()
    """Where pg_wal and tablespaces outside of the data directory are put."""
    moves: str = ""
    """Where pg_wal was outside until now, if it is put into the data directory."""
    unused: bool = False
    """Whether a base backup of an earlier run is already in place, but never streamed."""
    named: Collection[str] = ()
    """What the operator has confirmed (`Change.granted`)."""
    swapped: bool = False
    pod: Pod | None = field(default=None, repr=False)

    def steps(self) -> list[Step]:
        """Return the steps in order."""
        name, host, replicas = self.target.name, self.source.host, self.target.workload.replicas
        stop = f"scale from {replicas} to 0 and see every pod gone" if replicas else "see that no pod is left"
        steps = [
            self._step(f"{stop}; see the slot {self.role.slot} free", self.stop),
            self._step(self._copy_words(host), self.copy),
            self._step(f"configure it, test the configuration, replace {name}'s data by it", self.install),
            self._step("scale to 1, and see it stream from its slot with its application_name", self.start),
        ]
        last = self._step(f"remove the old data directory {self.target.old}", self.clean)
        return [*steps, last] if self.replacing else steps

    def _copy_words(self, host: str) -> str:
        if self.earlier.pod is not None:
            return f"follow the pod {self.earlier.pod.name}, which already makes the base backup from {host}"
        if self.earlier.copy is not None and self.earlier.usable:
            return f"use the verified base backup at {self.earlier.copy.directory}, if it is still usable"
        return f"pg_basebackup from {host} into {self.target.new}, then pg_verifybackup"

    def _step(self, what: str, act: Callable[[], str]) -> Step:
        return Step(self.target.name, what, lambda: self._guarded(act))

    def _guarded(self, act: Callable[[], str]) -> str:
        try:
            return act()
        except PgnbError as error:
            raise ChangeFailed(
                f"{self.target.name}: {error.message}",
                found=error.found,
                remedy=" ".join(part for part in (error.remedy, self._state_after_failure()) if part),
            ) from error
        except KeyboardInterrupt:
            self._scale_back()
            raise

    def stop(self) -> str:
        """Scale to 0 and wait until the slot is free, which its walsender may hold for a while."""
        cluster = self.primary.cluster
        result = cluster.scale_and_wait(self.target.workload, 0)
        wait_until(
            f"the slot {self.role.slot} to be free",
            lambda: slots(self.primary).find(self.role.slot),
            lambda slot: slot is None or not slot.active,
            timeout=_FREE_SLOT,
            every=0.2,
            describe=lambda slot: slot.summary if slot else "does not exist",
            remedy="Its walsender ends after wal_sender_timeout, or by pg_terminate_backend().",
        )
        if self.interrupted:
            self._finish_swap()
        return result

    def _finish_swap(self) -> None:
        argv = scripts.argv(
            "outside",
            "clear",
            "swap",
            args=(self.target.directory, self.target.root, "former"),
        )
        with self.primary.cluster.helper(self._helper(()), lifetime=3600) as helper:
            helper.exec(argv, timeout=600, changes="finish the swap that was interrupted")

    def copy(self) -> str:
        """Make and verify the base backup in a helper pod, or use that of an earlier run."""
        pod = self.earlier.pod
        running = pod is not None and self._runs(pod)
        why = ""
        if not running and (pod is not None or self.earlier.usable or self.interrupted):
            found = self._look_again()
            if found.usable:
                return found.summary
            why = f"; {found.summary}"
        progress = BackupProgress(self.primary, BACKUP_NAME, resumed=running)
        if pod is not None and running:
            self.primary.cluster.take_over(pod, timeout=self.spec.copy_timeout, on_log=progress.look)
        else:
            self.back_up(progress.look)
        return f"{progress.close()}, verified{why}"

    def _runs(self, pod: Pod) -> bool:
        """Whether that pod still exists; if it completed, its copy is on the volume."""
        found = self.primary.cluster.get("pods", pod.name)
        return found is not None and found["metadata"]["uid"] == pod.uid

    def _look_again(self) -> Earlier:
        """Inspect again what an earlier run left, now that no other pod uses the volume."""
        bin_dir = self.primary.facts.bin_dir
        with self.primary.cluster.helper(self._helper(()), lifetime=3600) as helper:
            state = inspect(helper.exec, self.target.directory, self.target.root, bin_dir)
        return earlier(self.primary, None, state, self.role.slot, self.places)

    def back_up(self, on_log: Callable[[str], None]) -> HelperResult:
        """Run the helper pod to its end; `on_log` receives each line of its log."""
        connection = self.source.connection(BACKUP_NAME, HELPER_PASSFILE)
        login, target = self.source.passfile_arguments(HELPER_PASSFILE), self.target
        places = (target.new, self.primary.facts.bin_dir, connection, target.directory, target.old)
        arguments = (*login, *places, *_outside(self.places), *self.options.arguments)
        spec = self._helper(scripts.argv("passfile", "outside", "clear", "backup", args=arguments))
        spec = replace(spec, work=self.work)
        return self.primary.cluster.run_helper(
            self.source.given_to(spec, self.target.pod), timeout=self.spec.copy_timeout, on_log=on_log
        )

    def install(self) -> str:
        """Configure and swap, after a last check of the data directory, the workload and the slot."""
        self._assert_still_stopped()
        self._assert_slot_kept()
        bin_dir = self.primary.facts.bin_dir
        with self.primary.cluster.helper(self._helper(()), lifetime=3600) as helper:
            state = inspect(helper.exec, self.target.directory, self.target.root, bin_dir)
            verdict = classify(state, self.primary.facts.system_identifier)
            if not (verdict.disposable or WIPE in self.named):
                raise ChangeFailed("the data directory has changed since planning", found=verdict.summary)
            goes = "unused" if state.unused and verdict.kind == "own standby" else "former"
            result = install(helper, self.target, self.role, bin_dir, self._directory(state), goes=goes)
        self.swapped = True
        return result

    def _directory(self, state: DataDirectory) -> str:
        """Return the directory of the base backup, after checking that it can follow the primary."""
        copy = state.finished_copy
        why = "it is not complete, or was not verified"
        if copy is not None:
            why = unfit(self.primary, copy, self.role.slot, self.places)
        if copy is None or why:
            raise ChangeFailed(
                "the base backup cannot be put in place",
                found=why,
                remedy="The primary or its slot has changed since planning: run this again.",
            )
        return copy.directory

    def _assert_still_stopped(self) -> None:
        """Raise ChangeFailed if somebody has scaled the workload back, so that its server may run."""
        cluster = self.primary.cluster
        replicas = self.target.reload(cluster).workload.replicas
        pods = cluster.pods(self.target.workload.selector, self.target.pod.container)
        if replicas or pods:
            raise ChangeFailed(
                f"somebody scaled {self.target.name} back while the base backup ran",
                found=f"scaled to {replicas}; pods: {', '.join(pod.name for pod in pods) or 'none'}",
                remedy="Its data were not changed. Find out who scales it: a person, an autoscaler, GitOps.",
            )

    def _assert_slot_kept(self) -> None:
        """Raise ChangeFailed if the slot lost its WAL: the new data could not catch up."""
        slot = slots(self.primary).find(self.role.slot)
        if slot is None or slot.lost:
            raise ChangeFailed(
                f"the slot {self.role.slot} lost its WAL while the base backup ran",
                found=slot.summary if slot else "it was dropped",
                remedy="Raise max_slot_wal_keep_size above the WAL that is written during a backup"
                " (section 2.1),"
                " create the slot again (section 2.3), and run this again.",
            )

    def start(self) -> str:
        """Scale to 1, and wait until the primary sees the standby stream through the slot."""
        cluster = self.primary.cluster
        try:
            cluster.scale_and_wait(self.target.workload, 1, timeout=self.spec.start_timeout)
            self.pod = cluster.pod(self.target.workload.selector, self.target.pod.container)
            words = wait_streaming(self.primary, self.role.slot, self.spec.application_name)
        except DeadlineExceeded as late:
            raise ChangeFailed(
                late.message, found=f"{late.found}; {self._log()}", remedy=late.remedy
            ) from late
        mark = f"{self.target.data_directory}/.pgnb-verified"
        cluster.exec(self.pod, ["rm", "-f", "--", mark], changes=f"remove {mark}")
        return words

    def clean(self) -> str:
        """Remove the old directory in the standby's own pod, which has mounted the volume."""
        if self.pod is None:
            return "not removed: no pod"
        seen = replace(self.target, mount=replace(self.target.mount, sub_path=""))
        argv = scripts.argv("outside", "clear", "discard", args=(seen.directory, seen.old))
        self.primary.cluster.exec(self.pod, argv, timeout=3600, changes=f"remove {seen.old}")
        return "removed"

    def place_checks(self, state: DataDirectory | None, needed: int, major: int) -> list[Check]:
        """Check room, permissions and programs for the standby; empty if its volume was not inspected."""
        if state is None or "free_kb" not in state.found:
            return []
        needed = 0 if self.earlier.usable else needed
        # The copy of an earlier run is used or removed.
        copied = state.new_bytes + left_by_earlier(self.places, state, self.target.claim)
        room = state.free_bytes + copied
        return [
            Check(
                "room on the volume",
                room >= needed,
                format_bytes(room),
                f"≥ {format_bytes(needed)}, beside the old data",
                f"Enlarge the claim {self.target.claim}, or remove files that are not needed.",
            ),
            Check(
                "the volume can be written",
                not state.writable,
                state.writable or "yes",
                f"by uid {self.owner.uid}",
                "Set fsGroup in the pod's securityContext, or chown it.",
            ),
            Check(
                "PostgreSQL in the image",
                state.tools == major,
                state.tools or "none",
                major,
                "The standby's image must have the primary's major version.",
            ),
            Check(
                "pg_wal",
                not self.moves,
                self.moves or "keeps its place",
                "keeps its place",
                "It is put into the data directory. Make sure that this volume is large and fast"
                " enough, or mount"
                " a claim for it.",
                advice=True,
            ),
            *([] if self.earlier.usable else place_checks(self.places, state, ROOM, self.target.claim)),
        ]

    def pod_checks(self) -> Sequence[Check]:
        """Check whether the API server would admit the helper pod and the standby's pod."""
        cluster, name = self.primary.cluster, "pgnb-base-backup-dry-run"
        helper = cluster.helper_manifest(self._helper(("true",)), name, seconds=60)
        pods = {"the base backup's pod": helper, _OWN: pod_of_workload(self.target.workload.object)}
        return cluster.pod_checks(pods, replacing=(_OWN,) if self.target.workload.replicas else ())

    def volume_checks(self) -> list[Check]:
        """Check for other pods on the data's claim, which stops the run, and on other claims (advice)."""
        data = self.target.claim
        others = dict.fromkeys(place.claim for place in self.places if place.claim != data)
        checks = [_alone("the volume", data, self.other_pods_mounting(), "Wait until it ends, or delete it")]
        for claim in others:
            paths = ", ".join(place.base for place in self.places if place.claim == claim)
            remedy = f"Make sure that it does not use {paths}"
            checks.append(
                _alone(f"claim {claim}", claim, self.other_pods_mounting(claim), remedy, advice=True)
            )
        return checks

    def other_pods_mounting(self, claim: str = "") -> list[str]:
        """Return the pods of others that have mounted the claim, by default the data's claim."""
        cluster = self.primary.cluster
        own = {pod.uid for pod in cluster.pods(self.target.workload.selector, self.target.pod.container)}
        own |= {self.earlier.pod.uid} if self.earlier.pod else set()
        return [
            pod["metadata"]["name"]
            for pod in cluster.list("pods")
            if pod["metadata"]["uid"] not in own
            and (pod.get("status") or {}).get("phase") in ("Pending", "Running")
            and (claim or self.target.claim) in _claims(pod["spec"])
        ]

    def _helper(self, argv: tuple[str, ...]) -> HelperPod:
        return self.target.helper("pgnb-base-backup", argv, uid=self.owner.uid, gid=self.owner.gid)

    def _log(self) -> str:
        """Return the last lines of the standby's log, which say why it does not start or connect."""
        cluster = self.primary.cluster
        try:
            pods = cluster.pods(self.target.workload.selector, self.target.pod.container)
            lines = [line.text for pod in pods for line in cluster.logs(pod, tail=8)]
        except PgnbError as error:
            return f"its log cannot be read: {error.message}"
        return "its log: " + " | ".join(lines) if lines else "its log is empty"

    def _state_after_failure(self) -> str:
        if self.swapped:
            old = f"; the old one is at {self.target.old}" if self.replacing else ""
            return (
                f"The new data directory is in place{old}. Correct what the log reports, then run this again."
            )
        return f"{self._scale_back()} Remove the cause, then run this again."

    def _scale_back(self) -> str:
        """Give the workload its previous replicas, since its data are unchanged before the swap."""
        place = (
            f"The base backup of an earlier run is in place; the old data are at {self.target.old}"
            if self.unused
            else "The old data directory is unchanged"
        )
        kept = f"{place}, and the slot {self.role.slot} has not advanced."
        before = self.target.workload.replicas
        if self.swapped or not before:
            return f"{kept} {self.target.name} stays scaled to 0."
        try:
            body = {"spec": {"replicas": before}}
            self.primary.cluster.patch_as_seen(self.target.workload.object, body, f"undo: scale to {before}")
        except Conflict as changed:
            return f"{kept} Somebody else has changed {self.target.name}: {changed.message}."
        except PgnbError as error:
            return f"{kept} {self.target.name} is still scaled to 0: {error.message}."
        return f"{kept} {self.target.name} is scaled to {before} again."


def _outside(places: Sequence[Place]) -> tuple[str, ...]:
    """Return arguments for backup.sh: pg_wal's place, the number of tablespaces, and both paths of each."""
    wal = next((place.base for place in places if place.outside.wal), "")
    spaces = [place for place in places if not place.outside.wal]
    pairs = [path for place in spaces for path in (place.outside.path, place.base)]
    return (wal, str(len(spaces)), *pairs)


def _alone(where: str, claim: str, others: Sequence[str], remedy: str, *, advice: bool = False) -> Check:
    return Check(
        f"no other pod on {where}",
        not others,
        ", ".join(others) or "none",
        "none",
        f"{remedy}: it has mounted the claim {claim}.",
        advice=advice,
    )


def _claims(spec: dict[str, object]) -> set[str]:
    volumes = spec.get("volumes")
    found = volumes if isinstance(volumes, list) else []
    return {(volume.get("persistentVolumeClaim") or {}).get("claimName", "") for volume in found}
