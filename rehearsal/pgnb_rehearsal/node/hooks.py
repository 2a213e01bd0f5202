"""Lifecycle hooks: postStart and preStop, as exec, httpGet (not offered: reported) or sleep."""

from __future__ import annotations

import asyncio

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.node.probes import Target

_NO_LIMIT = 86_400.0
"""A hook has no timeout of its own: who stops waiting for it is the grace period."""


async def run(hook: Object, target: Target) -> str:
    """Carry out a hook; the text of its failure, or nothing."""
    if "sleep" in hook:
        await asyncio.sleep(hook["sleep"]["seconds"])
        return ""
    outcome = await target.try_once({**hook, "timeoutSeconds": _NO_LIMIT})
    return "" if outcome.ok else outcome.output or "the hook ended with an exit status other than 0"
