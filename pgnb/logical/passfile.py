"""The subscriber's passfile: the publisher's password in a file that only the server's process reads.

A superuser's subscription may take its password from a passfile, so that none is in subconninfo, which every
dump contains. The file is in the data directory, so that it outlives the pod and needs no change of the pod's
template.
"""

from __future__ import annotations

import re

from pgnb.core.errors import NotFound, ServerError
from pgnb.core.plan import Step
from pgnb.core.texts import decoded
from pgnb.postgres import Server
from pgnb.postgres.source import Source

_NAME = "pgnb.passfile"
_READ = 'if [ -e "$1" ]; then cat "$1"; fi'
_WRITE = """
set -e
umask 077
cat >"$1.new"
chown "$(stat -c %u:%g "$(dirname "$1")")" "$1.new" 2>/dev/null || [ "$(id -u)" -ne 0 ]
mv -f "$1.new" "$1"
"""
_FIELD = re.compile(r"((?:[^:\\]|\\.)*)(?::|\Z)")


def passfile_path(subscriber: Server) -> str:
    """Return the path of the subscriber's passfile in its container."""
    return f"{subscriber.facts.data_directory}/{_NAME}"


def passfile_line(origin: Source, password: str) -> str:
    r"""Return the publisher's line, for any database: host:port:*:user:password, with : and \ escaped."""
    fields = (origin.host, str(origin.port), "*", origin.role, password)
    return ":".join(field if field == "*" else _escaped(field) for field in fields)


def with_line(text: str, line: str) -> str:
    """Return the passfile with that line: replacing that of the same host, port and user, else at the end."""
    lines = [line if _who(old) == _who(line) else old for old in text.splitlines() if old]
    return "".join(f"{each}\n" for each in dict.fromkeys((*lines, line)))


def passfile_step(subscriber: Server, origin: Source) -> Step | None:
    """Return the step that writes the publisher's line, or None if the passfile has it already."""
    path = passfile_path(subscriber)
    if not subscriber.present or _fits(subscriber, origin):
        return None

    def run() -> str:
        content = _desired(subscriber, origin).encode()
        argv = ("sh", "-c", _WRITE, "pgnb-passfile", path)
        subscriber.cluster.exec(subscriber.pod, argv, stdin=content, changes=f"write {path}, mode 0600")
        return "written, mode 0600"

    what = f"write the password of {origin.role} at {origin.host} from secret/{origin.secret} to {path}"
    return Step(subscriber.name, what, run, journalled=True)


def _fits(subscriber: Server, origin: Source) -> bool:
    try:
        return _desired(subscriber, origin) == _read(subscriber)
    except NotFound:
        # In a plan-only run the Secret may not exist yet.
        return False


def _desired(subscriber: Server, origin: Source) -> str:
    password = subscriber.cluster.secret_value(origin.secret, origin.secret_key)
    return with_line(_read(subscriber), passfile_line(origin, password.reveal()))


def _read(subscriber: Server) -> str:
    path = passfile_path(subscriber)
    argv = ("sh", "-c", _READ, "pgnb-passfile", path)
    content = subscriber.cluster.exec(subscriber.pod, argv).stdout
    return decoded(content, f"{subscriber.name}: {path}", error=ServerError)


def _escaped(field: str) -> str:
    return field.replace("\\", r"\\").replace(":", r"\:")


def _who(line: str) -> tuple[str, ...]:
    return tuple(_FIELD.findall(line)[:4])
