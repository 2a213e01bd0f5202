"""What a refused connection means: whether waiting can help, and what to do about it."""

from __future__ import annotations

import re

# The server's words, from its source (auth.c, postinit.c) and libpq's; a translated message is matched by
# none of them, and is then shown as it is and waited for.
_MEANINGS: tuple[tuple[str, bool, str], ...] = (
    (
        r"password authentication failed",
        True,
        "The password, or the Secret it comes from, is not this role's; compare them, or set it again.",
    ),
    (
        r"no password supplied|fe_sendauth",
        True,
        "pg_hba.conf asks for a password: name where it stands, as 'secret:NAME/KEY'.",
    ),
    (
        r"no pg_hba\.conf entry|pg_hba\.conf rejects",
        True,
        "No rule of pg_hba.conf lets this user, database and address in; add one (section 2.1).",
    ),
    (r"role \"[^\"]*\" does not exist", True, "Name a role that exists, or create it."),
    (r"database \"[^\"]*\" does not exist", True, "Name a database that exists."),
    (r"not permitted to log in", True, "The role needs LOGIN."),
    (r"is not currently accepting connections", True, "The database does not allow connections."),
    (r"permission denied for database", True, "The role needs CONNECT on the database."),
    (
        r"server requested a cleartext password",
        True,
        "The server, or who answers in its place, asks for the password in the clear: verify it, by"
        " PGNB_SSLMODE=verify-ca and PGSSLROOTCERT.",
    ),
    (
        r"certificate verify failed|does not match host name|root certificate file",
        True,
        "The server's certificate is not of the authority in PGSSLROOTCERT, or bears another name than"
        " PGNB_SSL_NAME.",
    ),
    (
        r"valid client certificate|certificate authentication failed|private key file",
        True,
        "The server asks for a client certificate: name it by PGSSLCERT and its key (mode 0600) by PGSSLKEY.",
    ),
    (r"does not support SSL", True, "The server has no TLS (ssl = off): turn it on, or set PGNB_SSLMODE."),
    (
        r"too many (clients|connections)|remaining connection slots",
        False,
        "All connections are taken: free some, or raise max_connections.",
    ),
    (
        r"starting up|shutting down|not yet accepting|recovery mode",
        False,
        "The server is about to come back.",
    ),
    (
        r"[Cc]onnection refused|server closed the connection|could not connect|timeout expired",
        False,
        "No server answers on that port: look at the pod's state and its log.",
    ),
)


def is_final(words: str) -> bool:
    """Whether trying again cannot help."""
    return any(final and re.search(pattern, words) for pattern, final, _ in _MEANINGS)


def remedy_for(words: str) -> str:
    """What to do about a refusal; an empty text for an unknown one."""
    return next((remedy for pattern, _, remedy in _MEANINGS if re.search(pattern, words)), "")
