"""All errors of pgnb, in one tree.

PgnbError
├── ParameterError        a parameter, name, selector or file that cannot be used as given
├── ClusterError          the Kubernetes side
│   ├── ApiUnreachable    no answer from the API server, or no such kubeconfig or context
│   ├── AccessDenied      401 or 403; names the verb and the resource that is missing
│   ├── NotFound          an object that does not exist
│   ├── Conflict          an object that somebody else changed or owns
│   ├── LeaseHeld         another run holds the Lease of the database
│   ├── LeaseLost         this run has lost the Lease of the database and changes nothing more
│   ├── Rejected          the API server refused the object (400, 422)
│   ├── PodError          no pod, more than one pod, or one that is not Ready
│   ├── ExecFailed        a command in a container ended with a status other than 0
│   └── ForwardFailed     no connection to a pod's port
├── ServerError           the PostgreSQL side
│   ├── ConnectionFailed  no session: refused, rejected by pg_hba.conf, wrong password, lost
│   ├── QueryFailed       the server refused a statement; carries its SQLSTATE
│   └── WrongServer       a server, but not the expected one (system identifier, role, version)
├── GateClosed            a step that is dangerous or not prepared was stopped before it began; says what this
│   │                     run had changed before
│   └── NotApproved       a plan is not approved, or is no longer the approved one
├── VerificationFailed    a change was applied, and what was found afterwards is not what is desired
├── ChangeFailed          a change stopped halfway; says what was restored
├── DeadlineExceeded      a condition was not met in time; says what was seen last
└── RecordError           a record or the chain of records cannot be written, read or trusted
"""

from __future__ import annotations

from pgnb.core.secrecy import masked


class PgnbError(Exception):
    """One error: what is wrong, what was found, what to do.

    `message` says what is wrong, `found` what was there instead, `remedy` what to do about it, `changed` what
    the run had changed before and how to undo it. Each may have several lines.
    """

    def __init__(self, message: str, *, found: str = "", remedy: str = "", changed: str = "") -> None:
        self.message = message
        self.found = found
        self.remedy = remedy
        self.changed = changed
        super().__init__(message)

    def __str__(self) -> str:
        lines = [self.message]
        parts = {"found:": self.found, "remedy:": self.remedy, "changed:": self.changed}
        for name, text in parts.items():
            if text:
                first, *more = text.split("\n")
                lines += [f"  {name:<8}{first}" if name != "changed:" else f"  {name} {first}"]
                lines += [f"          {line}" for line in more]
        return masked("\n".join(lines))

    def _render_traceback_(self) -> list[str]:
        """What a notebook's cell shows of it: the words without pgnb's frames. `%debug` still has those."""
        first, *more = str(self).split("\n")
        return [f"\x1b[1;31m{type(self).__name__}\x1b[0m: {first}", *more]


class ParameterError(PgnbError):
    """A parameter, name, selector or file that cannot be used as given."""


class ClusterError(PgnbError):
    """The Kubernetes side failed."""


class ApiUnreachable(ClusterError):
    """No answer from the API server, or no such kubeconfig or context."""


class AccessDenied(ClusterError):
    """The API server answered 401 or 403."""


class NotFound(ClusterError):
    """An object does not exist."""


class Conflict(ClusterError):
    """Somebody else changed or owns the object."""


class LeaseHeld(ClusterError):
    """Another run holds the Lease of the database; `found` names it."""


class LeaseLost(ClusterError):
    """This run has lost the Lease of the database: it changes nothing more."""


class Rejected(ClusterError):
    """The API server refused the object as it is (400, 422)."""


class PodError(ClusterError):
    """No pod, more than one pod, or one that is not Ready."""


class ExecFailed(ClusterError):
    """A command in a container ended with a status other than 0."""


class ForwardFailed(ClusterError):
    """A pod's port cannot be reached."""


class ServerError(PgnbError):
    """The PostgreSQL side failed."""


class ConnectionFailed(ServerError):
    """No session: refused, rejected by pg_hba.conf, wrong password, or lost."""


class QueryFailed(ServerError):
    """The server refused a statement; `sqlstate` is its five-character code."""

    def __init__(self, message: str, *, found: str = "", remedy: str = "", sqlstate: str = "") -> None:
        super().__init__(message, found=found, remedy=remedy)
        self.sqlstate = sqlstate

    @property
    def lacks_right(self) -> bool:
        """Whether the login lacks a right for it (insufficient_privilege)."""
        return self.sqlstate == "42501"


class WrongServer(ServerError):
    """A server, but not the expected one (system identifier, role, version)."""


class GateClosed(PgnbError):
    """A step that is dangerous or not prepared was stopped before it began."""


class NotApproved(GateClosed):
    """A plan is not approved by somebody else, or is not any more the plan that was approved."""


class VerificationFailed(PgnbError):
    """What was found after a change is not what is desired."""


class ChangeFailed(PgnbError):
    """A change stopped halfway; `remedy` says what was restored and what was not."""


class DeadlineExceeded(PgnbError):
    """A condition was not met in time; `found` is what was seen last."""


class RecordError(PgnbError):
    """A record or the chain of records cannot be written, read or trusted."""
