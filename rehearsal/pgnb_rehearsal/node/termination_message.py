"""The termination message of a container: what it left in its file, or the end of its log."""

from __future__ import annotations

from pgnb_rehearsal.node.container_spec import ContainerSpecs
from pgnb_rehearsal.node.logfiles import last_text
from pgnb_rehearsal.node.states import ContainerState

_LARGEST = 4096
_LOG_LINES, _LOG_SIZE = 80, 2048


def termination_message(specs: ContainerSpecs, container: ContainerState, code: int) -> str:
    """The message of the run that has just ended with `code` (`terminationMessagePath` and `…Policy`)."""
    directories, uid = specs.context.directories, specs.pod["metadata"]["uid"]
    path = directories.message(uid, container.name)
    text = path.read_bytes()[:_LARGEST].decode(errors="replace") if path.exists() else ""
    if text or code == 0 or container.spec.get("terminationMessagePolicy") != "FallbackToLogsOnError":
        return text
    return last_text(directories.log(uid, container.name, container.runs - 1), _LOG_LINES, _LOG_SIZE)
