"""Passwords: a parameter refers to one, and its value is never shown."""

from __future__ import annotations

import base64
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pgnb.cluster.client import Api
from pgnb.cluster.pods import Pod
from pgnb.cluster.resources import resource
from pgnb.core.errors import NotFound, ParameterError
from pgnb.core.texts import decoded, read_text

_FIELD = r"((?:[^:\\]|\\.)*)"
_PASSFILE_LINE = re.compile(":".join([_FIELD] * 4) + r":(.*)")
"""Four fields and the password, in which a colon needs no backslash."""
FORMS = "secret:NAME/KEY, env:VARIABLE, passfile:PATH, pod-env:VARIABLE, or nothing"


@dataclass(frozen=True)
class Secret:
    """A value that only `reveal()` returns; printing, formatting or logging shows where it came from."""

    origin: str
    _value: str = field(repr=False)

    def reveal(self) -> str:
        """Return the value, for the one place that needs it."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return f"<secret from {self.origin}>"

    __str__ = __repr__

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        raise TypeError("a secret must not be stored")


def secret_values(api: Api, name: str) -> Mapping[str, bytes]:
    """Return the decoded data of a Secret. Raises NotFound or AccessDenied."""
    try:
        found = api.call("GET", resource("secrets").path(api.namespace, name))
    except NotFound as gone:
        remedy = "Create it, or name another source of the password: env:NAME or passfile:PATH."
        raise NotFound(gone.message, found=gone.found, remedy=remedy) from gone
    return {key: base64.b64decode(value) for key, value in (found.get("data") or {}).items()}


def secret_value(api: Api, name: str, key: str) -> Secret:
    """Return one key of a Secret as text, without the newline that `kubectl create --from-file` leaves.

    Raises NotFound without the key, and ParameterError for a value that is no text, or that no passfile can
    hold.
    """
    values = secret_values(api, name)
    if key not in values:
        raise NotFound(
            f"the Secret {name} has no key {key!r}",
            found=f"keys: {', '.join(sorted(values)) or 'none'}",
            remedy="Name one of them as secret:NAME/KEY.",
        )
    remedy = "Store a text: kubectl create secret generic copies a file unchanged."
    text = decoded(values[key], f"the key {key!r} of the Secret {name}", remedy=remedy)
    return Secret(f"secret/{name} key {key}", _one_line(text.removesuffix("\n"), name, key))


def _one_line(text: str, name: str, key: str) -> str:
    """Return the password if it is one line. Raises ParameterError otherwise.

    libpq ends a passfile's line at a line break, so that such a password would never match.
    """
    broken = [words for sign, words in (("\r", "a carriage return"), ("\n", "a line break")) if sign in text]
    if broken:
        raise ParameterError(
            f"the key {key!r} of the Secret {name} holds {' and '.join(broken)}, which no passfile can",
            found="Windows' line end" if text.endswith("\r") else "a text of several lines",
            remedy="Create the key again from the password alone (printf %s), not from a file"
            " with line ends.",
        )
    return text


def resolve_password(api: Api, reference: str, pod: Pod | None = None, user: str = "") -> Secret:
    """Return the password that `reference` names; "" if it is empty (trust, peer, a passfile).

    Raises ParameterError for anything else; the error does not show the text, because it may be a password.
    """
    scheme, _, rest = reference.partition(":")
    if not reference:
        return Secret("nowhere", "")
    if scheme == "secret" and rest.count("/") == 1 and all(rest.split("/")):
        name, key = rest.split("/")
        return secret_value(api, name, key)
    if scheme == "env" and rest:
        return _from_environment(rest)
    if scheme == "passfile" and rest:
        return _from_passfile(rest, user)
    if scheme == "pod-env" and rest and pod is not None:
        return _from_pod(api, rest, pod)
    raise ParameterError(
        "a password parameter does not say where the password is stored",
        found="a text of another form, not shown here",
        remedy=f"Write {FORMS}; never the password itself.",
    )


def _from_environment(variable: str) -> Secret:
    if variable not in os.environ:
        raise ParameterError(
            f"the environment variable {variable} is not set",
            remedy="Set it before Jupyter or pgnb is started, or name a Secret by secret:NAME/KEY.",
        )
    return Secret(f"${variable}", os.environ[variable])


def _from_passfile(path: str, user: str) -> Secret:
    """Return the password of `user` in a passfile of libpq: host:port:database:user:password, mode 0600."""
    file = Path(os.path.expandvars(path)).expanduser()
    if not file.is_file():
        raise ParameterError(f"the passfile {file} does not exist", remedy="Create it with mode 0600.")
    if file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ParameterError(
            f"other users can read the passfile {file}",
            found=oct(stat.S_IMODE(file.stat().st_mode)),
            remedy=f"chmod 0600 {file}",
        )
    lines = [_fields(line) for line in read_text(file).splitlines()]
    found = {line[4] for line in lines if len(line) == 5 and (line[3] in ("*", user) or not user)}
    if len(found) == 1:
        return Secret(str(file), found.pop())
    raise ParameterError(
        f"the passfile {file} holds {len(found)} passwords for the user {user or 'of any name'}",
        found=f"{len(lines)} lines",
        remedy="Write one line host:port:database:user:password for that user; * stands for any.",
    )


def _fields(line: str) -> list[str]:
    """Return the fields of a passfile's line; a backslash escapes the next character."""
    if line.startswith("#"):
        return []
    found = _PASSFILE_LINE.fullmatch(line)
    return [re.sub(r"\\(.)", r"\1", part) for part in found.groups()] if found else []


def _from_pod(api: Api, variable: str, pod: Pod) -> Secret:
    """Return the value of that name in the pod's spec for its container, also by envFrom."""
    ref = next((env for env in pod.env if env.name == variable), None)
    if ref is None:
        return _from_env_from(api, variable, pod)
    kind, _, name = ref.source.partition("/")
    if kind == "secret":
        return secret_value(api, name, ref.key)
    if kind == "configmap":
        data = api.call("GET", resource("configmaps").path(api.namespace, name)).get("data") or {}
        return Secret(f"configmap/{name}", str(data.get(ref.key, "")))
    return Secret(f"{variable} of pod/{pod.name}", ref.value)


def _from_env_from(api: Api, variable: str, pod: Pod) -> Secret:
    for entry in pod.container_spec.get("envFrom") or []:
        prefix, ref = entry.get("prefix", ""), entry.get("secretRef")
        key = variable.removeprefix(prefix)
        if ref and variable.startswith(prefix) and key in secret_values(api, ref["name"]):
            return secret_value(api, ref["name"], key)
    raise ParameterError(
        f"the container {pod.container} of pod {pod.name} has no environment variable {variable}",
        found=f"it has {', '.join(env.name for env in pod.env) or 'none'}",
        remedy="Name one of them by pod-env:VARIABLE, or a Secret by secret:NAME/KEY.",
    )
