"""libpq's TLS options for connections that pgnb configures for another server (the manual, 32.1.2 and 32.19).

Paths are those in the container of the connecting server: a standby or a subscriber.
"""

from __future__ import annotations

from collections.abc import Mapping

from pgnb.core.errors import ParameterError

MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
OPTIONS = ("sslmode", *FILES, "ssl_min_protocol_version", "ssl_max_protocol_version")
_VERIFIES = ("verify-ca", "verify-full")


def checked_tls(options: Mapping[str, str]) -> Mapping[str, str]:
    """Return the options unchanged. Raises ParameterError if libpq would not accept them.

    `sslrootcert=system` (since libpq 16) is possible with verify-full only.
    """
    for option, value in options.items():
        if option not in OPTIONS:
            raise ParameterError(
                f"replication_tls has no option {option!r}", remedy=f"Use one of {', '.join(OPTIONS)}."
            )
        if option in FILES and value != "system" and not value.startswith("/"):
            raise ParameterError(
                f"replication_tls: {option} is {value!r}, which is not an absolute path",
                remedy="Write a path in the container of the server that connects.",
            )
    mode = options.get("sslmode", "prefer")
    if mode not in MODES:
        raise ParameterError(
            f"replication_tls: sslmode cannot be {mode!r}", remedy=f"Use one of {', '.join(MODES)}."
        )
    if mode in _VERIFIES and "sslrootcert" not in options:
        raise ParameterError(
            f"replication_tls: sslmode {mode} needs sslrootcert",
            remedy="Set it to the certificate of the authority: a file in the container of the"
            " server that connects.",
        )
    if options.get("sslrootcert") == "system" and mode != "verify-full":
        raise ParameterError(
            f"replication_tls: sslrootcert = system is not possible with sslmode {mode}",
            remedy="Set sslmode to verify-full, because any host may have a certificate of a"
            " public authority. Or set sslrootcert to the certificate of your authority.",
        )
    if ("sslcert" in options) != ("sslkey" in options):
        raise ParameterError(
            "replication_tls: sslcert and sslkey are needed together", remedy="Give both, or neither."
        )
    return options


def files_of(options: Mapping[str, str]) -> tuple[str, ...]:
    """Return the files that a connection with these options reads."""
    return tuple(options[name] for name in FILES if options.get(name, "system") != "system")
