"""Encryption of a session: $PGNB_SSLMODE, and libpq's own $PGSSLROOTCERT, $PGSSLCERT and $PGSSLKEY.

Over the relay of a port-forward the API server's TLS carries a session to the node, and identifies the pod.
So `prefer` connects unencrypted through the relay's Unix socket, and encrypts only if the server requires it.
A session inside the cluster has only its own TLS. PGSSLMODE and PGHOST are ignored, because they are about
other servers that the user connects to.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pgnb.core.errors import ParameterError
from pgnb.core.tls import MODES

MODE_VARIABLE = "PGNB_SSLMODE"
NAME_VARIABLE = "PGNB_SSL_NAME"
_ALWAYS = MODES[3:]
_VERIFIED = MODES[4:]
_DEMANDED = re.compile(r"no encryption|SSL off|pg_hba\.conf")
"""The server's text if no rule admits an unencrypted session; the file's name is never translated."""
_REQUIRE_AUTH_SINCE = 160000


def attempts() -> Iterator[bool]:
    """Yield whether to encrypt, in the order to try: the next one only if `demanded` says so."""
    mode = _mode()
    if mode not in _ALWAYS:
        yield False
    if mode != "disable":
        yield True


def demanded(words: str) -> bool:
    """Return whether a server that refused a session with this text may accept an encrypted one."""
    return _DEMANDED.search(words) is not None


def lacks_tls(words: str) -> bool:
    """Return whether this is the text of a server without TLS."""
    return "does not support SSL" in words


def options(host: str, libpq: int, *, encrypted: bool) -> Mapping[str, Any]:
    """Return host and TLS options of one connection, for a version of libpq.

    `host` may be a socket's directory. Without a verified certificate, a server that is reached directly may
    be another one: the password is not sent to it in clear text. Raises ParameterError for an invalid mode,
    or one that is not possible here.
    """
    mode = _mode()
    if host.startswith("/"):
        return {"host": host, "hostaddr": "", "sslmode": "disable"}
    wanted = mode if mode in _ALWAYS or not encrypted else "require"
    through_relay = host.startswith("127.")
    careful = not through_relay and mode not in _VERIFIED and libpq >= _REQUIRE_AUTH_SINCE
    auth = {"require_auth": "!password"} if careful else {}
    if mode != "verify-full":
        return {"host": host, "hostaddr": "", "sslmode": wanted, **auth}
    return {"host": _certified_name(), "hostaddr": host, "sslmode": wanted}


def _mode() -> str:
    mode = os.environ.get(MODE_VARIABLE) or "prefer"
    if mode not in MODES:
        raise ParameterError(
            f"{MODE_VARIABLE} is {mode!r}, which is not an sslmode of libpq",
            remedy=f"Use one of {', '.join(MODES)}.",
        )
    return mode


def _certified_name() -> str:
    """Return the name in the server's certificate, because the server is reached by its pod."""
    if name := os.environ.get(NAME_VARIABLE):
        return name
    raise ParameterError(
        f"{MODE_VARIABLE} = verify-full needs the name in the server's certificate",
        found=f"{NAME_VARIABLE} is not set",
        remedy=f"Set {NAME_VARIABLE} to that name (for example the Service's), or use verify-ca.",
    )
