"""The options of a subscription that a server's version has, with pgnb's defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pgnb.core.errors import ParameterError
from pgnb.postgres import Server

SINCE = {
    "streaming": 14,
    "binary": 14,
    "synchronous_commit": 14,
    "two_phase": 15,
    "disable_on_error": 15,
    "origin": 16,
    "run_as_owner": 16,
    "password_required": 16,
    "failover": 17,
}
"""The first version of the subscriber that has the option (CREATE SUBSCRIPTION, parameters)."""
_PARALLEL = 16
_FAILOVER = 17


def subscription_options(
    publisher: Server, subscriber: Server, desired: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the options of the subscriptions: those requested, and defaults that both versions allow.

    Defaults: `streaming` (parallel since 16 on both servers), so that a large transaction need not be kept on
    the publisher's disk until its end; `failover` (since 17 on both servers), so that a standby of the
    publisher can take over the slot. Raises ParameterError for an option that the subscriber's version does
    not have, and for `streaming = parallel` before 16; an older publisher streams to it as with on.
    """
    # A subscriber that is not deployed yet gets the publisher's image.
    major = subscriber.facts.major or publisher.facts.major
    oldest = min(publisher.facts.major, major)
    chosen: dict[str, Any] = {"streaming": "parallel" if oldest >= _PARALLEL else "on"}
    if oldest >= _FAILOVER:
        chosen["failover"] = True
    for option, value in (desired or {}).items():
        if option not in SINCE or (subscriber.present and subscriber.facts.major < SINCE[option]):
            known = [name for name, since in SINCE.items() if since <= (subscriber.facts.major or since)]
            raise ParameterError(
                f"not an option of a subscription here: {option}",
                found=f"PostgreSQL {subscriber.facts.version_text}",
                remedy=f"Valid options: {', '.join(known)}.",
            )
        chosen[option] = value
    if sql_value(chosen["streaming"]) == "parallel" and major < _PARALLEL:
        raise ParameterError(
            f"streaming = parallel needs PostgreSQL {_PARALLEL}",
            found=f"PostgreSQL {subscriber.facts.version_text}",
            remedy="Set streaming to on.",
        )
    return chosen


def sql_value(value: Any) -> str:
    """Return an option's value as SQL has it: on and off are true and false."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return {"on": "true", "off": "false", "yes": "true", "no": "false"}.get(text.lower(), text)
