"""The steps of a base backup, what is left when one fails, and what is put back then."""

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
from pgnb.physical.streaming import wait_streaming
from pgnb.physical.target import Target, inspect
from pgnb.postgres import Server
from pgnb.postgres.source import Source

_FREE_SLOT = 90.0
ROOM = 1.1
"""A volume must have the size of what comes and a tenth more free: WAL goes on being written meanwhile."""
BACKUP_NAME = "pgnb_base_backup"
WIPE = "wipe_standby_data"
_OWN = "the standby's pod"
"""The parameter that confirms, by the claim's name, that unknown data may be replaced."""


@dataclass
class Bootstrap:
    """One base backup in progress. `swapped` says on which side of the swap it is."""

    primary: Server
    target: Target
    source: Source
    role: Role
    application_name: str
    owner: User
    interrupted: bool
    """Whether an earlier run was stopped in the middle of its swap."""
    replacing: bool
    """Whether a former data directory will be left beside the new one."""
    timeout: float
    start_timeout: float
    options: BackupOptions = field(default_factory=BackupOptions)
    work: str = ""
    """What its helper works at, by which the next run finds it."""
    earlier: Earlier = field(default_factory=Earlier)
    """What runs before this one left, to go on with."""
    places: Sequence[Place] = ()
    """Where pg_wal and tablespaces go that lie outside of the data directory."""
    moves: str = ""
    """Where pg_wal lay outside so far, of one that goes into the data directory."""
    unused: bool = False
    """Whether a base backup is in place already that an earlier run made and that never streamed."""
    named: Collection[str] = ()
    """What the operator has confirmed by the time that the steps run (`Change.granted`)."""
    swapped: bool = False
    pod: Pod | None = field(default=None, repr=False)

    def steps(self) -> list[Step]:
        """What will be done, in order."""
        name, host, replicas = self.target.name, self.source.host, self.target.workload.replicas
        stop = f"scale from {replicas} to 0 and see every pod gone" if replicas else "see that no pod is left"
        steps = [
            self._step(f"{stop}; see the slot {self.role.slot} free", self.stop),
            self._step(self._copy_words(host), self.copy),
            self._step(
                f"configure it, try the configuration, put it in the place of {name}'s data", self.install
            ),
            self._step("scale to 1, and see it stream from its slot under its name", self.start),
        ]
        last = self._step(f"remove the former data directory {self.target.old}", self.clean)
        return [*steps, last] if self.replacing else steps

    def _copy_words(self, host: str) -> str:
        if self.earlier.pod is not None:
            return f"follow pod {self.earlier.pod.name}, which makes the base backup from {host} already"
        if self.earlier.copy is not None and self.earlier.usable:
            return f"take the verified base backup at {self.earlier.copy.directory}, if it is good still"
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
            self._put_back()
            raise

    def stop(self) -> str:
        """Nobody on the volume, and the slot free: the walsender has noticed that its standby is gone."""
        cluster = self.primary.cluster
        result = cluster.scale_and_wait(self.target.workload, 0)
        wait_until(
            f"the slot {self.role.slot} to be free",
            lambda: slots(self.primary).find(self.role.slot),
            lambda slot: slot is None or not slot.active,
            timeout=_FREE_SLOT,
            every=0.2,
            describe=lambda slot: slot.summary if slot else "not there",
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
        """The base backup and its verification, in a helper pod whose end is the proof, or an earlier one."""
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
            self.primary.cluster.take_over(pod, timeout=self.timeout, on_log=progress.look)
        else:
            self.back_up(progress.look)
        return f"{progress.close()}, verified{why}"

    def _runs(self, pod: Pod) -> bool:
        """Whether that very pod is there; one that has ended well left its copy on the volume."""
        found = self.primary.cluster.get("pods", pod.name)
        return found is not None and found["metadata"]["uid"] == pod.uid

    def _look_again(self) -> Earlier:
        """What is left now that nobody else is on the volume."""
        bin_dir = self.primary.facts.bin_dir
        with self.primary.cluster.helper(self._helper(()), lifetime=3600) as helper:
            state = inspect(helper.exec, self.target.directory, self.target.root, bin_dir)
        return earlier(self.primary, None, state, self.role.slot, self.places)

    def back_up(self, on_log: Callable[[str], None]) -> HelperResult:
        """Run the helper pod to its end; `on_log` gets each line that it writes."""
        connection = self.source.connection(BACKUP_NAME, HELPER_PASSFILE)
        login, target = self.source.passfile_arguments(HELPER_PASSFILE), self.target
        places = (target.new, self.primary.facts.bin_dir, connection, target.directory, target.old)
        arguments = (*login, *places, *_outside(self.places), *self.options.arguments)
        spec = self._helper(scripts.argv("passfile", "outside", "clear", "backup", args=arguments))
        spec = replace(spec, work=self.work)
        return self.primary.cluster.run_helper(
            self.source.given_to(spec, self.target.pod), timeout=self.timeout, on_log=on_log
        )

    def install(self) -> str:
        """Configure and swap, after a last look at what would be replaced, and by whom."""
        self._assert_still_stopped()
        self._assert_slot_kept()
        bin_dir = self.primary.facts.bin_dir
        with self.primary.cluster.helper(self._helper(()), lifetime=3600) as helper:
            state = inspect(helper.exec, self.target.directory, self.target.root, bin_dir)
            verdict = classify(state, self.primary.facts.system_identifier)
            if not (verdict.disposable or WIPE in self.named):
                raise ChangeFailed("the data directory is not what was planned upon", found=verdict.summary)
            goes = "unused" if state.unused and verdict.kind == "own standby" else "former"
            result = install(helper, self.target, self.role, bin_dir, self._directory(state), goes=goes)
        self.swapped = True
        return result

    def _directory(self, state: DataDirectory) -> str:
        """Where the base backup lies that goes in, once it is known to be one that can follow."""
        copy = state.finished_copy
        why = "it is not complete, or was not verified"
        if copy is not None:
            why = unfit(self.primary, copy, self.role.slot, self.places)
        if copy is None or why:
            raise ChangeFailed(
                "the base backup cannot be put in place",
                found=why,
                remedy="The primary or its slot changed meanwhile: plan again.",
            )
        return copy.directory

    def _assert_still_stopped(self) -> None:
        """A person, an autoscaler or a GitOps tool may have started a server on the old data meanwhile."""
        cluster = self.primary.cluster
        replicas = self.target.reload(cluster).workload.replicas
        pods = cluster.pods(self.target.workload.selector, self.target.pod.container)
        if replicas or pods:
            raise ChangeFailed(
                f"somebody scaled {self.target.name} back while the base backup ran",
                found=f"scaled to {replicas}; pods: {', '.join(pod.name for pod in pods) or 'none'}",
                remedy="Its data were not touched. See who scales it: a person, an autoscaler, GitOps.",
            )

    def _assert_slot_kept(self) -> None:
        """Without its WAL the new data could not catch up, while the old may still serve."""
        slot = slots(self.primary).find(self.role.slot)
        if slot is None or slot.lost:
            raise ChangeFailed(
                f"the slot {self.role.slot} lost its WAL while the base backup ran",
                found=slot.summary if slot else "it was dropped",
                remedy="Raise max_slot_wal_keep_size beyond what is written during a backup (section 2.1),"
                " make the slot anew (section 2.3), and run this again.",
            )

    def start(self) -> str:
        """One replica, Ready, whose receiver the primary sees streaming through the slot."""
        cluster = self.primary.cluster
        try:
            cluster.scale_and_wait(self.target.workload, 1, timeout=self.start_timeout)
            self.pod = cluster.pod(self.target.workload.selector, self.target.pod.container)
            words = wait_streaming(self.primary, self.role.slot, self.application_name)
        except DeadlineExceeded as late:
            raise ChangeFailed(
                late.message, found=f"{late.found}; {self._log()}", remedy=late.remedy
            ) from late
        mark = f"{self.target.data_directory}/.pgnb-verified"
        cluster.exec(self.pod, ["rm", "-f", "--", mark], changes=f"remove {mark}")
        return words

    def clean(self) -> str:
        """The former directory, removed in the standby's own pod: it has the volume mounted anyway."""
        if self.pod is None:
            return "not removed: no pod"
        seen = replace(self.target, mount=replace(self.target.mount, sub_path=""))
        argv = scripts.argv("outside", "clear", "discard", args=(seen.directory, seen.old))
        self.primary.cluster.exec(self.pod, argv, timeout=3600, changes=f"remove {seen.old}")
        return "removed"

    def place_checks(self, state: DataDirectory | None, needed: int, major: int) -> list[Check]:
        """Room, rights and programs of the standby's place; nothing where it could not be looked at."""
        if state is None or "free_kb" not in state.found:
            return []
        needed = 0 if self.earlier.usable else needed
        # What an earlier run has copied is gone on with, or goes.
        copied = state.new_bytes + left_by_earlier(self.places, state, self.target.claim)
        room = state.free_bytes + copied
        return [
            Check(
                "room on the volume",
                room >= needed,
                format_bytes(room),
                f"≥ {format_bytes(needed)}, beside the old data",
                f"Enlarge the claim {self.target.claim}, or remove what is not needed on it.",
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
                "It goes into the data directory: see that this volume has room and speed for it, or mount"
                " a claim for it.",
                advice=True,
            ),
            *([] if self.earlier.usable else place_checks(self.places, state, ROOM, self.target.claim)),
        ]

    def pod_checks(self) -> Sequence[Check]:
        """Whether the API server would take the pods that are to come: the helper's and the standby's own."""
        cluster, name = self.primary.cluster, "pgnb-base-backup-dry-run"
        helper = cluster.helper_manifest(self._helper(("true",)), name, seconds=60)
        pods = {"the base backup's pod": helper, _OWN: pod_of_workload(self.target.workload.object)}
        return cluster.pod_checks(pods, replacing=(_OWN,) if self.target.workload.replicas else ())

    def volume_checks(self) -> list[Check]:
        """Whether others have the data's claim mounted, which stops, or a place's, which many may share."""
        data = self.target.claim
        others = dict.fromkeys(place.claim for place in self.places if place.claim != data)
        checks = [_alone("the volume", data, self.strangers(), "Wait until it ends, or delete it")]
        for claim in others:
            paths = ", ".join(place.base for place in self.places if place.claim == claim)
            way = f"See that it leaves {paths} alone"
            checks.append(_alone(f"claim {claim}", claim, self.strangers(claim), way, advice=True))
        return checks

    def strangers(self, claim: str = "") -> list[str]:
        """Pods that have the claim mounted, without one the data's, and are none of the workload's own."""
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
        """The end of the standby's log, where a server says why it does not start or connect."""
        cluster = self.primary.cluster
        try:
            pods = cluster.pods(self.target.workload.selector, self.target.pod.container)
            lines = [line.text for pod in pods for line in cluster.logs(pod, tail=8)]
        except PgnbError as error:
            return f"its log cannot be read: {error.message}"
        return "its log: " + " | ".join(lines) if lines else "its log is empty"

    def _state_after_failure(self) -> str:
        if self.swapped:
            former = f"; the former one is at {self.target.old}" if self.replacing else ""
            return f"The new data directory is in place{former}. Mend what the log says, then run this again."
        return f"{self._put_back()} Run this again when the cause is gone."

    def _put_back(self) -> str:
        """Before the swap the data are untouched: the workload gets the replicas that it had."""
        place = (
            f"The base backup of an earlier run is in place; the former data are at {self.target.old}"
            if self.unused
            else "The old data directory is as it was"
        )
        kept = f"{place}, and the slot {self.role.slot} was not moved."
        former = self.target.workload.replicas
        if self.swapped or not former:
            return f"{kept} {self.target.name} stays scaled to 0."
        try:
            body = {"spec": {"replicas": former}}
            self.primary.cluster.patch_as_seen(
                self.target.workload.object, body, f"put back: scale to {former}"
            )
        except Conflict as changed:
            return f"{kept} {self.target.name} was changed by somebody else meanwhile: {changed.message}."
        except PgnbError as error:
            return f"{kept} {self.target.name} is still scaled to 0: {error.message}."
        return f"{kept} {self.target.name} is scaled to {former} again."


def _outside(places: Sequence[Place]) -> tuple[str, ...]:
    """As backup.sh takes it: the place of pg_wal, the number of tablespaces, and the two paths of each."""
    wal = next((place.base for place in places if place.outside.wal), "")
    spaces = [place for place in places if not place.outside.wal]
    pairs = [path for place in spaces for path in (place.outside.path, place.base)]
    return (wal, str(len(spaces)), *pairs)


def _alone(where: str, claim: str, others: Sequence[str], way: str, *, advice: bool = False) -> Check:
    return Check(
        f"nobody else on {where}",
        not others,
        ", ".join(others) or "nobody",
        "nobody",
        f"{way}; it has mounted the claim {claim}.",
        advice=advice,
    )


def _claims(spec: dict[str, object]) -> set[str]:
    volumes = spec.get("volumes")
    found = volumes if isinstance(volumes, list) else []
    return {(volume.get("persistentVolumeClaim") or {}).get("claimName", "") for volume in found}
