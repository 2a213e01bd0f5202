"""Approval of a plan by a second person: a request, an SSH signature on it, and what an approved run may do.

Signatures are those of `ssh-keygen -Y sign`, as git uses them; an allowed_signers file says whose key is
whose. A request names the plan record by number and seal, the digest of the plan, who asks, and the window in
which it may be carried out. The signed file is the request itself, so that nothing of it can be changed
afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pgnb.core.errors import NotApproved, ParameterError, RecordError
from pgnb.core.private import write_private
from pgnb.runbook import signatures
from pgnb.runbook.chain import APPROVALS
from pgnb.runbook.plans import Plan, is_plan, plan_of
from pgnb.runbook.records import Archive, Record

NAMESPACE = "pgnb-plan"
"""What the signature is for, by ssh-keygen's word: one that was made for something else does not count."""
_REQUEST, _SIGNATURE = "request.json", "request.json.sig"


@dataclass(frozen=True)
class Request:
    """What somebody asks to have approved; times are ISO 8601 in UTC."""

    record: int
    name: str
    seal: str
    digest: str
    notebook: str
    cluster: str
    namespace: str
    ticket: str
    reason: str
    asker: str
    asked: str
    opens: str
    closes: str

    @property
    def content(self) -> str:
        """The text that is signed."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"


@dataclass(frozen=True)
class Approval:
    """A request with a signature that holds, and whose it is."""

    request: Request
    approver: str
    key: str

    @property
    def facts(self) -> dict[str, Any]:
        """What the record of a run that was approved keeps of it."""
        kept = ("record", "seal", "digest", "ticket", "reason", "asker", "asked", "opens", "closes")
        return {name: getattr(self.request, name) for name in kept} | {
            "approver": self.approver,
            "key": self.key,
        }


@dataclass(frozen=True)
class ApprovedPlan:
    """A plan that was approved, made again just now with the same digest: what a run may carry out."""

    approval: Approval
    plan: Plan

    def keep_in(self, archive: Archive, record: Record) -> None:
        """Copy the signed request into the record of the run that carries it out."""
        folder = archive.path(record) / "approval"
        folder.mkdir(mode=0o700)
        for name in (_REQUEST, _SIGNATURE):
            content = (folder_of(archive, self.approval.request.record) / name).read_bytes()
            write_private(folder / name, content)
        write_private(folder / "plan.json", self.plan.text)


def folder_of(archive: Archive, number: int) -> Path:
    """The folder of a record's request and signature."""
    return archive.folder / APPROVALS / str(number)


def request(
    archive: Archive,
    record: Record,
    *,
    asker: str,
    ticket: str,
    reason: str,
    opens: datetime,
    closes: datetime,
) -> Request:
    """Write the request to approve a plan record, and return it.

    Times have a time zone. A request that nobody has signed yet is replaced. Raises ParameterError for a
    record that is no sealed plan, for a plan that a gate would stop or that changes nothing, for an empty
    window, and for a request that is signed already.
    """
    _assert_plan(archive, record)
    if closes <= opens or closes <= datetime.now(UTC):
        raise ParameterError(
            "the window is empty or over",
            found=f"{_utc(opens)} to {_utc(closes)}",
            remedy="Give a later end.",
        )
    folder = folder_of(archive, record.number)
    if (folder / _SIGNATURE).exists():
        raise ParameterError(
            f"record {record.number} is approved already",
            remedy=f"Plan it again for another request, or remove {folder} to withdraw the approval.",
        )
    made = Request(
        record.number,
        record.name,
        record.seal,
        plan_of(archive, record).digest,
        record.notebook,
        str(record.facts.get("cluster", "")),
        str(record.facts.get("namespace", "")),
        ticket,
        reason,
        asker,
        _utc(datetime.now(UTC)),
        _utc(opens),
        _utc(closes),
    )
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(folder / _REQUEST, made.content)
    return made


def read_request(archive: Archive, number: int) -> Request:
    """Return the request for a record's plan. Raises NotApproved where there is none that can be read."""
    path = folder_of(archive, number) / _REQUEST
    try:
        return Request(**json.loads(path.read_text("utf-8")))
    except FileNotFoundError as error:
        raise NotApproved(
            f"there is no request to approve record {number}",
            found=f"no {path}",
            remedy=f"Make one: pgnb records request {number}",
        ) from error
    except (OSError, ValueError, TypeError) as error:
        raise NotApproved(f"{path} cannot be read as a request", found=str(error)) from error


def approve(archive: Archive, number: int, key: Path, signers: Path) -> Approval:
    """Sign the request for a record's plan with an SSH key, and return the approval that this makes.

    `key` is a private key, or the public key of one that ssh-agent holds; ssh-keygen asks for its passphrase.
    Raises NotApproved where the signature would not hold: the key is not in `signers`, or is the asker's own.
    The signature is removed then.
    """
    content = read_request(archive, number).content
    signature = folder_of(archive, number) / _SIGNATURE
    try:
        signed = signatures.sign(content, key, NAMESPACE)
    except RecordError as error:
        raise NotApproved(
            "the request could not be signed", found=error.found, remedy=error.remedy
        ) from error
    write_private(signature, signed)
    try:
        return check(archive, number, signers)
    except NotApproved:
        signature.unlink(missing_ok=True)
        raise


def check(archive: Archive, number: int, signers: Path, *, now: datetime | None = None) -> Approval:
    """Return the approval of a record's plan, once everything about it holds.

    The signature is that of somebody else than the asker, by the `signers` file (allowed_signers); the record
    is the one that was signed, unchanged; and the window is open, if `now` is given. Raises NotApproved.
    """
    asked = read_request(archive, number)
    folder = folder_of(archive, number)
    if not (folder / _SIGNATURE).exists():
        raise NotApproved(
            f"the plan of record {number} is not approved",
            found=f"no {folder / _SIGNATURE}",
            remedy=f"Somebody else than {asked.asker} signs it: pgnb records approve {number}",
        )
    approver = _signer(folder, asked, signers)
    _assert_unchanged(archive, asked)
    if now is not None and not asked.opens <= _utc(now) <= asked.closes:
        raise NotApproved(
            f"the window of record {number}'s approval is not open",
            found=f"{_utc(now)}; it is open from {asked.opens} to {asked.closes}",
            remedy="Wait for it, or ask for another window.",
        )
    return Approval(
        asked, approver, signatures.fingerprint(asked.content, _text(folder / _SIGNATURE), NAMESPACE)
    )


def _assert_plan(archive: Archive, record: Record) -> None:
    if not record.seal or not is_plan(record):
        raise ParameterError(
            f"record {record.number or record.name} is no plan",
            found=f"verdict: {record.verdict}",
            remedy="Make one: pgnb run NOTEBOOK --dry-run",
        )
    plan = plan_of(archive, record)
    if plan.stops:
        raise ParameterError(
            f"the plan of record {record.number} would stop at a gate",
            found="; ".join(plan.stops),
            remedy="Set right what the gate asks for, and plan again.",
        )
    if not plan.changes:
        raise ParameterError(
            f"the plan of record {record.number} changes nothing: there is nothing to approve"
        )


def _assert_unchanged(archive: Archive, asked: Request) -> None:
    record = next((one for one in archive.read()[0] if one.number == asked.record), None)
    if record is None or (record.seal, record.name) != (asked.seal, asked.name):
        raise NotApproved(
            f"record {asked.record} is not the one that was approved",
            found=f"seal {record.seal[:16] if record else 'none'}, approved {asked.seal[:16]}",
            remedy="Plan again, and ask again.",
        )
    faults = [fault for fault in archive.verify() if fault.startswith(f"{record.name}:")]
    if faults or plan_of(archive, record).digest != asked.digest:
        raise NotApproved(
            f"record {asked.record} was changed after it was approved",
            found="; ".join(faults) or "its plan has another digest",
            remedy="Look at `pgnb records verify`. Plan again, and ask again.",
        )


def _signer(folder: Path, asked: Request, signers: Path) -> str:
    """Who signed the request; nobody of whom the asker is one."""
    if not signers.is_file():
        raise NotApproved(
            "it cannot be known whose signature this is",
            found=f"there is no file {signers}",
            remedy="Name an allowed_signers file: --signers, or PGNB_ALLOWED_SIGNERS.",
        )
    signature, content = (_text(folder / name) for name in (_SIGNATURE, _REQUEST))
    people = signatures.signers_of(signature, signers, NAMESPACE)
    if not people:
        raise NotApproved(
            f"the signature for record {asked.record} is nobody's in {signers}",
            remedy="Add the approver's public key to that file, or have it signed by somebody who is there.",
        )
    if asked.asker in people:
        raise NotApproved(
            f"record {asked.record} is signed by the one who asks",
            found=asked.asker,
            remedy="Somebody else has to approve it.",
        )
    if not signatures.holds(content, signature, signers, NAMESPACE, people[0]):
        raise NotApproved(
            f"the signature for record {asked.record} does not hold",
            remedy="The request was changed after it was signed, or the key may not sign this. Ask again.",
        )
    return people[0]


def _text(path: Path) -> str:
    return path.read_text("utf-8")


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class Policy:
    """Where approval is mandatory, by patterns of namespaces, and the file that says whose key is whose."""

    namespaces: tuple[str, ...] = ()
    signers: str = ""

    @classmethod
    def of(cls, given: Any) -> Policy:
        """Return the policy of `approval: {namespaces: […], signers: FILE}`. Raises ParameterError."""
        if given is None:
            return cls()
        names = given.get("namespaces", ()) if isinstance(given, Mapping) else None
        signers = given.get("signers", "") if isinstance(given, Mapping) else None
        known = isinstance(given, Mapping) and not given.keys() - {"namespaces", "signers"}
        if not known or not isinstance(signers, str) or not _are_names(names):
            raise ParameterError(
                "approval cannot be read",
                found=repr(given),
                remedy='Write it so: approval: {namespaces: ["prod-*"], signers: /etc/pgnb/allowed_signers}',
            )
        return cls(tuple(names or ()), signers)


def _are_names(names: Any) -> bool:
    return isinstance(names, list | tuple) and all(isinstance(name, str) and name for name in names)
