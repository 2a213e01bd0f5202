"""How a session is encrypted: $PGNB_SSLMODE, and libpq's own $PGSSLROOTCERT, $PGSSLCERT and $PGSSLKEY.

Over the relay of a port-forward the API server's TLS carries a session to the node, and says which pod it
is. So `prefer` goes there unencrypted through the relay's Unix socket, and encrypts only where the server
demands it. A session inside the cluster has nothing but its own TLS. PGSSLMODE and PGHOST are left alone:
they speak of the servers that a person connects to otherwise.
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
"""The server's words where no rule lets an unencrypted session in; the file's name is never translated."""
_REQUIRE_AUTH_SINCE = 160000


def attempts() -> Iterator[bool]:
    """Whether to encrypt, in the order to try: the next one only where `demanded` says so."""
    mode = _mode()
    if mode not in _ALWAYS:
        yield False
    if mode != "disable":
        yield True


def demanded(words: str) -> bool:
    """Whether a server that refused an unencrypted session in these words may take an encrypted one."""
    return _DEMANDED.search(words) is not None


def lacks_tls(words: str) -> bool:
    """Whether these words are of a server that has no TLS."""
    return "does not support SSL" in words


def options(host: str, libpq: int, *, encrypted: bool) -> Mapping[str, Any]:
    """Host and TLS of one connection, for libpq of that version; `host` is a directory for a Unix socket.

    A server that is reached directly, and whose certificate is not verified, may be anybody: the password is
    not sent to it in the clear. Raises ParameterError for a mode that is none, or that cannot be held.
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
            f"{MODE_VARIABLE} is {mode!r}, which is no sslmode of libpq",
            remedy=f"One of {', '.join(MODES)}.",
        )
    return mode


def _certified_name() -> str:
    """The server is reached by its pod; the name that its certificate bears is another one."""
    if name := os.environ.get(NAME_VARIABLE):
        return name
    raise ParameterError(
        f"{MODE_VARIABLE} = verify-full needs the name that the server's certificate bears",
        found=f"{NAME_VARIABLE} is not set",
        remedy=f"Set {NAME_VARIABLE} to that name (for example the Service's), or use verify-ca.",
    )
