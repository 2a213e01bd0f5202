"""What a refused connection means: whether a retry can help, and the remedy."""

from __future__ import annotations

import re

# Texts of the server (auth.c, postinit.c) and of libpq; a translated message matches none of them, so that it
# is shown as it is and retried.
_MEANINGS: tuple[tuple[str, bool, str], ...] = (
    (
        r"password authentication failed",
        True,
        "The password, or that of the Secret, is not this role's; compare them, or set it again.",
    ),
    (
        r"no password supplied|fe_sendauth",
        True,
        "pg_hba.conf requires a password: say where it is stored, as 'secret:NAME/KEY'.",
    ),
    (
        r"no pg_hba\.conf entry|pg_hba\.conf rejects",
        True,
        "No rule of pg_hba.conf admits this user, database and address; add one (section 2.1).",
    ),
    (r"role \"[^\"]*\" does not exist", True, "Name a role that exists, or create it."),
    (r"database \"[^\"]*\" does not exist", True, "Name a database that exists."),
    (r"not permitted to log in", True, "The role needs LOGIN."),
    (r"is not currently accepting connections", True, "The database does not allow connections."),
    (r"permission denied for database", True, "The role needs CONNECT on the database."),
    (
        r"server requested a cleartext password",
        True,
        "The server, or another host in its place, requests the password in clear text:"
        " verify the server by PGNB_SSLMODE=verify-ca and PGSSLROOTCERT.",
    ),
    (
        r"certificate verify failed|does not match host name|root certificate file",
        True,
        "The server's certificate was not issued by the authority in PGSSLROOTCERT, or has"
        " another name than PGNB_SSL_NAME.",
    ),
    (
        r"valid client certificate|certificate authentication failed|private key file",
        True,
        "The server requires a client certificate: set PGSSLCERT to it and PGSSLKEY to its key (mode 0600).",
    ),
    (r"does not support SSL", True, "The server has no TLS (ssl = off): turn it on, or change PGNB_SSLMODE."),
    (
        r"too many (clients|connections)|remaining connection slots",
        False,
        "All connections are in use: free some, or raise max_connections.",
    ),
    (
        r"starting up|shutting down|not yet accepting|recovery mode",
        False,
        "The server is starting or shutting down.",
    ),
    (
        r"[Cc]onnection refused|server closed the connection|could not connect|timeout expired",
        False,
        "No server answers on that port: see the pod's state and its log.",
    ),
)


def is_final(words: str) -> bool:
    """Return whether a retry cannot help."""
    return any(final and re.search(pattern, words) for pattern, final, _ in _MEANINGS)


def remedy_for(words: str) -> str:
    """Return the remedy for a refusal; "" for an unknown one."""
    return next((remedy for pattern, _, remedy in _MEANINGS if re.search(pattern, words)), "")
