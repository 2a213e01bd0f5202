"""Convert an API server's refusal into one error of pgnb's tree, with its remedy."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pgnb.core.errors import AccessDenied, ApiUnreachable, ClusterError, Conflict, NotFound, Rejected

_FORBIDDEN = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\S+) resource "(?P<resource>[^"]*)"'
    r' in API group "(?P<group>[^"]*)"'
    r'(?: in the namespace "(?P<namespace>[^"]*)")?'
)
_CONFLICT = re.compile(r'conflict with "(?P<manager>[^"]+)"(?: with subresource "[^"]*")?(?: using \S+)?')
_UNKNOWN = "401"
_LIMIT_RANGE = re.compile(r"(minimum|maximum) \S+ usage per |max limit to request ratio per ")
_RESOURCES = (
    'helper_pods = {"resources": {"requests": {"cpu": "100m", "memory": "128Mi"},'
    ' "limits": {"cpu": "1", "memory": "256Mi"}}}'
)
_PLAIN: Mapping[int, tuple[type[ClusterError], str]] = {
    404: (NotFound, ""),
    409: (Conflict, "Run this again: somebody else changed it meanwhile."),
}


def refusal(status: int, body: bytes | str | Mapping[str, Any], request: str) -> ClusterError:
    """Return the error for an answer of `status` with a Status object (or anything else) as its body.

    `request` names the request, as `GET /api/v1/...`. The API server's own text is the message.
    """
    answer = _status_object(body)
    message = str(answer.get("message") or "") or f"the API server answered {status} to {request}"
    if status == 401:
        return _unknown_user(message)
    if status == 403:
        return _forbidden(message, request)
    if status == 409 and (managers := conflicting_managers(answer)):
        return _owned_by_others(message, managers)
    if status in _PLAIN:
        kind, remedy = _PLAIN[status]
        return kind(message, remedy=remedy)
    if status == 429 or status in (502, 503, 504):
        return ApiUnreachable(message, found=f"status {status}", remedy="The API server is busy: try again.")
    if 400 <= status < 500:
        return Rejected(message, found=f"{status} {answer.get('reason', '')}".strip())
    return ClusterError(message, found=f"status {status} to {request}")


def is_unknown_user(error: ClusterError) -> bool:
    """Return whether the server rejected the credentials (401), so that it did nothing."""
    return isinstance(error, AccessDenied) and error.found == _UNKNOWN


def conflicting_managers(answer: Mapping[str, Any]) -> dict[str, str]:
    """Return field → manager of a failed server-side apply (details.causes of its Status)."""
    causes = (answer.get("details") or {}).get("causes") or []
    pairs = ((cause.get("field", ""), _CONFLICT.search(cause.get("message", ""))) for cause in causes)
    return {name: match["manager"] for name, match in pairs if match}


def _status_object(body: bytes | str | Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(body, Mapping):
        return body
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    try:
        parsed = json.loads(text)
    except ValueError:
        return {"message": text.strip()[:500]}
    return parsed if isinstance(parsed, Mapping) else {"message": text.strip()[:500]}


def _unknown_user(message: str) -> AccessDenied:
    return AccessDenied(
        f"the API server does not accept these credentials: {message}",
        found=_UNKNOWN,
        remedy="The token or certificate has expired or belongs to another cluster: log in"
        " again (`kubectl auth whoami` shows whether it works), then run the cell"
        " again.",
    )


def _forbidden(message: str, request: str) -> ClusterError:
    match = _FORBIDDEN.search(message)
    if match is None:
        # Quotas, pod security and admission webhooks answer 403 too; another right would not help there.
        return Rejected(message, found=f"403 to {request}", remedy=admission_remedy(message))
    return AccessDenied(message, found="403", remedy=grant_remedy(**match.groupdict()))


def admission_remedy(message: str) -> str:
    """Return the remedy for a refusal by a quota, a limit range or Pod Security; "" for another refusal."""
    if "exceeded quota" in message:
        return (
            "Raise the ResourceQuota of the namespace, free some of it, or let the pod"
            f" request less: for helper pods by the parameter {_RESOURCES}."
        )
    if "must specify" in message:
        return (
            "A ResourceQuota of the namespace requires requests and limits of every"
            " container: set resources in the pod template of the server (pgnb copies them),"
            " or by the parameters helper_pods and server_pods; or give the namespace a"
            " LimitRange with defaults."
        )
    if _LIMIT_RANGE.search(message):
        return (
            "A LimitRange of the namespace limits what a container, a pod or a claim may"
            " request: change the resources of the server's pod template, or those given by"
            " helper_pods and server_pods."
        )
    if "security context constraint" in message:
        return (
            "Name the service account of a matching constraint: server_pods ="
            " {service_account: {name: NAME}}."
        )
    if "violates PodSecurity" in message:
        return "The namespace's pod security level rejects this pod: see the fields in the message."
    return ""


def grant_remedy(
    verb: str, resource: str, group: str = "", namespace: str | None = "", user: str = ""
) -> str:
    """Return the rule that gives a right, and the command that checks for it."""
    what = f"{resource}.{group}" if group and "/" not in resource else resource
    where = f"in the namespace {namespace}" if namespace else "for the whole cluster (ClusterRole)"
    probe = f"kubectl auth can-i {verb} {what}{f' -n {namespace}' if namespace else ''}"
    who = f" to {user}" if user else ""
    rule = f'{{apiGroups: ["{group}"], resources: ["{resource}"], verbs: ["{verb}"]}}'
    return (
        f"Ask for a role with the rule {rule} {where}, bound{who}; `{probe}` shows whether the right exists."
    )


def _owned_by_others(message: str, managers: Mapping[str, str]) -> Conflict:
    owned = "; ".join(f"{name} belongs to {manager}" for name, manager in managers.items())
    names = ", ".join(sorted(set(managers.values())))
    return Conflict(
        message,
        found=owned,
        remedy=f"Change it where {names} takes it from (a repository, a chart), or take over the fields.",
    )
