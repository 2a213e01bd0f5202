"""A client of the API server: requests, answers and refusals, with retries for a slow or busy server.

The connection pool, TLS and credentials are those of the official client; objects are plain JSON, so that
fields of newer servers are kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import Any
from urllib.parse import urlencode

import urllib3
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, stop_before_delay
from tenacity.wait import wait_random_exponential

from pgnb.cluster.api_errors import is_unknown_user, refusal
from pgnb.cluster.helper_spec import HelperOptions
from pgnb.cluster.kubeconfig import Target, renewed
from pgnb.cluster.server_spec import ServerOptions
from pgnb.core.errors import AccessDenied, ApiUnreachable, GateClosed, PgnbError
from pgnb.core.journal import Journal

Object = dict[str, Any]
"""A Kubernetes object as JSON, with the API's own field names."""
Query = Mapping[str, str | int | bool]
_CHANGING = ("POST", "PUT", "PATCH", "DELETE")
_REVIEWS = ("subjectaccessreviews", "subjectreviews", "subjectrulesreviews")
_BUSY = (429, 502, 503, 504)
_ATTEMPTS = 6
_BACK_OFF = wait_random_exponential(multiplier=0.1, max=2.0)


class Busy(Exception):
    """The server asks to retry, or the connection broke; `after` is in seconds."""

    def __init__(self, cause: Exception, after: float = 0.0) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.after = after


@dataclass(frozen=True)
class Api:
    """The API server as one user sees it, the namespace to work in, and the journal of changes.

    `timeout` is in seconds, for one request. In a plan-only run every request that would change something is
    refused here. `target` is replaced (same server and user) when its credentials are renewed.
    """

    target: Target
    journal: Journal
    timeout: float = 10.0
    helper_options: HelperOptions = field(default_factory=HelperOptions, repr=False, compare=False)
    server_options: ServerOptions = field(default_factory=ServerOptions, repr=False, compare=False)
    own: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """The objects as this run's changes left them, by uid: see `unchanged`."""
    _pool: urllib3.PoolManager = field(init=False, repr=False, compare=False)
    _renewing: Lock = field(init=False, repr=False, compare=False, default_factory=Lock)

    def __post_init__(self) -> None:
        self._use(self.target)

    def _use(self, target: Target) -> None:
        # Retries are decided here, per verb, because the pool's own would repeat changes as well.
        object.__setattr__(self, "_pool", target.pool(urllib3.Retry(total=False)))
        object.__setattr__(self, "target", target)

    @property
    def namespace(self) -> str:
        """The namespace that objects are read from and written to."""
        return self.target.namespace

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: object = None,
        content_type: str = "application/json",
        timeout: float = 0.0,
    ) -> Object:
        """Make a request and return its JSON. Raises the error of a `refusal`, or ApiUnreachable."""
        data = self.read(method, path, query=query, body=body, content_type=content_type, timeout=timeout)
        try:
            answer = json.loads(data) if data else {}
        except ValueError as error:
            raise self._no_json(data, f"{method} {path}") from error
        return answer if isinstance(answer, dict) else {"items": answer}

    def read(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: object = None,
        content_type: str = "application/json",
        timeout: float = 0.0,
    ) -> bytes:
        """Make a request and return the bytes of its answer.

        Reads are repeated if the server is busy. Any request that was answered 401, so that nothing was done,
        is repeated once with credentials that are read again.
        """
        self._refuse_changes(method, path, query or {})
        url = f"{path}?{urlencode(_spelled(query))}" if query else path
        content = None if body is None else json.dumps(body).encode()
        used = self.target
        try:
            return self._patiently(method, url, content, content_type, timeout or self.timeout)
        except AccessDenied as denied:
            self.renew(used, denied)
        return self._patiently(method, url, content, content_type, timeout or self.timeout)

    def renew(self, used: Target, denied: AccessDenied) -> None:
        """Read the credentials again if those of `used` were rejected; otherwise raise `denied`."""
        if not is_unknown_user(denied):
            raise denied
        with self._renewing:
            if self.target is not used:
                return  # Another thread has renewed them meanwhile.
            try:
                self._use(renewed(used))
            except PgnbError as error:
                found = f"{denied.found}; {error.message}: {error.found}"
                raise AccessDenied(denied.message, found=found, remedy=error.remedy) from error

    def _refuse_changes(self, method: str, path: str, query: Query) -> None:
        harmless = method not in _CHANGING or query.get("dryRun") == "All" or path.endswith(_REVIEWS)
        if not harmless:
            self.assert_applies(f"{method} {path} was not sent")

    def assert_applies(self, what: str) -> None:
        """Raise GateClosed in a plan-only run, with `what` as the text of what was not done."""
        if self.journal.dry_run:
            remedy = "Set the parameter dry_run = False to apply changes."
            raise GateClosed(f"plan only: {what}", remedy=remedy)

    def _patiently(
        self, method: str, url: str, content: bytes | None, content_type: str, limit: float
    ) -> bytes:
        try:
            return self._patience(method, limit)(self._once, method, url, content, content_type, limit)
        except Busy as busy:
            raise busy.cause from busy.__cause__

    def _patience(self, method: str, limit: float) -> Retrying:
        again = _worth_a_retry if method == "GET" else _never_reached
        return Retrying(
            retry=retry_if_exception(again),
            stop=stop_after_attempt(_ATTEMPTS) | stop_before_delay(limit),
            wait=_pause,
            reraise=True,
        )

    def _once(self, method: str, url: str, content: bytes | None, content_type: str, limit: float) -> bytes:
        headers = {"Accept": "application/json, */*", "User-Agent": "pgnb", **self.credentials()}
        if content is not None:
            headers["Content-Type"] = content_type
        try:
            answer = self._pool.request(
                method,
                self.target.server_url + url,
                body=content,
                headers=headers,
                timeout=urllib3.Timeout(total=limit),
                retries=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise Busy(self._no_answer(error, limit)) from error
        return self._accepted(answer, f"{method} {url.partition('?')[0]}")

    def _accepted(self, answer: urllib3.BaseHTTPResponse, request: str) -> bytes:
        if answer.status < 400:
            return answer.data
        error = refusal(answer.status, answer.data, request)
        if answer.status in _BUSY:
            raise Busy(error, _seconds(answer.headers.get("Retry-After")))
        raise error

    def _no_json(self, data: bytes, request: str) -> ApiUnreachable:
        return ApiUnreachable(
            f"the server at {self.target.server_url} is not an API server",
            found=f"to {request}: {data[:80].decode('utf-8', 'replace')!r}",
            remedy="Check the address in the kubeconfig, and whether a proxy or a login page"
            " answers instead.",
        )

    def _no_answer(self, error: Exception, limit: float) -> ApiUnreachable:
        return unreachable(self.target, error, limit)

    def credentials(self) -> dict[str, str]:
        """Return the header that authenticates a request; the official client renews it."""
        settings = self.target.configuration.auth_settings()
        token = settings.get("BearerToken", {}).get("value")
        return {"Authorization": str(token).strip()} if token else {}

    @cached_property
    def version(self) -> str:
        """The API server's version, as `v1.36.0`."""
        return str(self.call("GET", "/version").get("gitVersion", ""))

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._pool.clear()


def unreachable(target: Target, error: Exception, limit: float) -> ApiUnreachable:
    """Return the error for a request without an answer, with the reason of the layer that failed."""
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text or "certificate verify failed" in text:
        remedy = (
            "The kubeconfig's certificate authority does not match this server: fetch the kubeconfig again."
        )
    elif isinstance(error, urllib3.exceptions.ReadTimeoutError | TimeoutError):
        remedy = f"It did not answer within {limit:g} s: check its load, or give connect a longer timeout."
    else:
        remedy = (
            "Check whether the cluster is up and can be reached from this machine (VPN, proxy, firewall)."
        )
    message = f"no answer from the API server {target.server_url}"
    return ApiUnreachable(message, found=_reason(text) or type(error).__name__, remedy=remedy)


def _reason(text: str) -> str:
    """Return the last of urllib3's chained causes, which is the operating system's or TLS's own."""
    return text.rpartition(": ")[2] if "Errno" in text else text[:300]


def _spelled(query: Query | None) -> dict[str, str]:
    return {k: str(v).lower() if isinstance(v, bool) else str(v) for k, v in (query or {}).items()}


def _worth_a_retry(error: BaseException) -> bool:
    return isinstance(error, Busy) and "certificate" not in str(error.__cause__)


def _never_reached(error: BaseException) -> bool:
    """Return whether the server surely has not begun a change, so that it may be repeated.

    It asked to retry (429), or no connection was made at all.
    """
    if not isinstance(error, Busy):
        return False
    refused = isinstance(error.__cause__, urllib3.exceptions.NewConnectionError)
    return refused or "status 429" in getattr(error.cause, "found", "")


def _pause(state: RetryCallState) -> float:
    """Return the seconds until the next attempt: Retry-After of the server, at least the back-off."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.after if isinstance(error, Busy) else 0.0
    return max(asked, _BACK_OFF(state))


def _seconds(header: str | None) -> float:
    return float(header) if header and header.isdigit() else 0.0
