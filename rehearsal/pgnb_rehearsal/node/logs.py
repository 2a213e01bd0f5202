"""GET pods/log: which log, which lines of it, and following it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiohttp import web

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.api.status import StatusError
from pgnb_rehearsal.node.api_errors import bad_request, container_name
from pgnb_rehearsal.node.logfiles import LogReader, Selection
from pgnb_rehearsal.node.states import ContainerState, Running, Waiting

_TRUE = ("true", "1", "t", "T", "True", "TRUE")
_FALSE = ("", "false", "0", "f", "F", "False", "FALSE")
_LOOK_AGAIN = 0.05


@dataclass(frozen=True)
class LogOptions:
    """A request's parameters (core/v1, PodLogOptions)."""

    container: str
    follow: bool
    previous: bool
    limit: int | None
    selection: Selection


def options(pod: Object, query: Mapping[str, str]) -> LogOptions:
    """The parameters of a request; StatusError 400 or 422 as the API server refuses them."""
    tail = _number(pod, query, "tailLines", least=0)
    limit = _number(pod, query, "limitBytes", least=1)
    seconds = _number(pod, query, "sinceSeconds", least=1)
    if seconds is not None and query.get("sinceTime"):
        text = "at most one of `sinceTime` or `sinceSeconds` may be specified"
        raise _invalid(pod, "sinceSeconds", text, "Forbidden")
    since = _since(query.get("sinceTime", ""), seconds)
    return LogOptions(
        container=container_name(pod, query.get("container", "")),
        follow=_flag(query, "follow"),
        previous=_flag(query, "previous"),
        limit=limit,
        selection=Selection(tail, since, _flag(query, "timestamps")),
    )


def _number(pod: Object, query: Mapping[str, str], name: str, *, least: int) -> int | None:
    text = query.get(name)
    if not text:
        return None
    try:
        number = int(text)
    except ValueError:
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None
    if number < least:
        bound = "greater than 0" if least else "greater than or equal to 0"
        raise _invalid(pod, name, f"{number}: must be {bound}", "Invalid value")
    return number


def _invalid(pod: Object, field: str, text: str, kind: str) -> StatusError:
    reason = "FieldValueForbidden" if kind == "Forbidden" else "FieldValueInvalid"
    name = pod["metadata"]["name"]
    causes = [{"reason": reason, "message": f"{kind}: {text}", "field": field}]
    message = f'PodLogOptions "{name}" is invalid: {field}: {kind}: {text}'
    return StatusError(422, "Invalid", message, {"name": name, "kind": "PodLogOptions", "causes": causes})


def _flag(query: Mapping[str, str], name: str) -> bool:
    text = query.get(name, "")
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise bad_request(f'strconv.ParseBool: parsing "{text}": invalid syntax')


def _since(moment: str, seconds: int | None) -> str:
    """The earliest time wanted, in the form of the log's own times; empty for all."""
    if seconds is not None:
        start = datetime.now(UTC) - timedelta(seconds=seconds)
    elif moment:
        try:
            start = datetime.fromisoformat(moment).astimezone(UTC)
        except ValueError:
            raise bad_request(f'parsing time "{moment}" as RFC 3339: cannot parse') from None
    else:
        return ""
    return start.strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z"


def log_path(
    pod: Object, container: ContainerState | None, wanted: LogOptions, path: Callable[[str, int], Path]
) -> Path:
    """The file to read; `path` gives it by container and run. StatusError 400 when there is none."""
    name, pod_name = wanted.container, pod["metadata"]["name"]
    if wanted.previous:
        if container is None or container.last is None or container.runs < 2:
            raise bad_request(f'previous terminated container "{name}" in pod "{pod_name}" not found')
        return path(name, container.runs - 2)
    if container is None or container.runs == 0:
        reason = "ContainerCreating"
        if container is not None and isinstance(container.state, Waiting):
            reason = container.state.reason
        raise bad_request(f'container "{name}" in pod "{pod_name}" is waiting to start: {reason}')
    return path(name, container.runs - 1)


def grows(container: ContainerState | None, path: Path) -> bool:
    """True while the run that writes the log at `path` goes on."""
    if container is None or not isinstance(container.state, Running):
        return False
    return path.stem == str(container.runs - 1)


async def send(
    request: web.Request, path: Path, wanted: LogOptions, grows: Callable[[], bool]
) -> web.StreamResponse:
    """Answer with the lines; with `follow` until the container's run is over (`grows` says whether it is)."""
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await response.prepare(request)
    left = wanted.limit
    with LogReader(path, wanted.selection) as reader:
        while left is None or left > 0:
            ended = not grows()  # asked before reading, so that the last lines are not missed
            text = reader.read()[:left]
            if text:
                await response.write(text)
                left = None if left is None else left - len(text)
            elif ended or not wanted.follow:
                break
            else:
                await asyncio.sleep(_LOOK_AGAIN)
    await response.write_eof()
    return response
