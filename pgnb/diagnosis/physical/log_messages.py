"""Classify the messages of servers and libpq about replication by their cause.

One table for logs and for connection tests; its texts are PostgreSQL's sources. A translated message matches
none of them: then only the structured evidence counts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pgnb.cluster import LogLine
from pgnb.core.secrecy import masked

_WORDS: Sequence[tuple[str, str]] = (
    ("wrong-password", r"password authentication failed|no password supplied|fe_sendauth|SASL auth"),
    ("hba-rejects", r"no pg_hba\.conf entry|pg_hba\.conf rejects"),
    (
        "no-replication",
        r"permission denied to start WAL sender|must be superuser or replication role"
        r"|is not permitted to log in|role \"[^\"]*\" does not exist",
    ),
    ("slot-missing", r"replication slot \"[^\"]*\" does not exist"),
    ("slot-in-use", r"replication slot \"[^\"]*\" is active for PID"),
    ("slot-lost", r"can no longer (get changes from|access) replication slot|slot has been invalidated"),
    ("wal-removed", r"requested WAL segment [0-9A-F]{24} has already been removed"),
    ("setting-too-low", r"insufficient parameter settings"),
    (
        "other-system",
        r"database system identifier differs between the primary and standby"
        r"|WAL file is from different database system",
    ),
    (
        "other-timeline",
        r"highest timeline \d+ of the primary is behind recovery timeline"
        r"|forked off current database system timeline"
        r"|is not in this server's history|is not a child of this server's history",
    ),
    (
        "no-free-sender",
        r"number of requested standby connections exceeds \"?max_wal_senders"
        r"|too many clients already|too many connections for role|remaining connection slots",
    ),
    (
        "unreachable",
        r"could not translate host name|[Cc]onnection refused|No route to host|timeout expired"
        r"|Network is unreachable|Name or service not known|no response",
    ),
    ("disk-full", r"No space left on device"),
    (
        "broken-configuration",
        r"syntax error in file|configuration file \"[^\"]*\" contains errors"
        r"|unrecognized configuration parameter|invalid value for parameter",
    ),
    ("broken-hba", r"could not load .*pg_hba\.conf|pg_hba\.conf\" was not reloaded|could not load.*hba"),
)
_PATTERNS = tuple((kind, re.compile(pattern)) for kind, pattern in _WORDS)
_STREAMS = re.compile(r"started streaming WAL from primary")
_GRAVE = re.compile(r"\b(WARNING|ERROR|FATAL|PANIC):(?!\s+the database system is (starting|shutting))")
"""Without rejected connections of a server that starts or stops, which its own probes cause."""


def classify_message(text: str) -> str:
    """Return the kind of finding that a message stands for; empty for an unknown message."""
    return next((kind for kind, pattern in _PATTERNS if pattern.search(text)), "")


def last_known_error(log: Sequence[LogLine]) -> tuple[str, str]:
    """Return kind and line of the last known error since WAL began to stream; two empty texts for none."""
    for line in reversed(log):
        if kind := classify_message(line.text):
            return kind, with_timestamp(line)
        if _STREAMS.search(line.text):
            return "", ""
    return "", ""


def lines_about(log: Sequence[LogLine], *kinds: str, limit: int = 3) -> tuple[str, ...]:
    """Return the last lines of a log that stand for one of these kinds, oldest first."""
    about = [line for line in log if classify_message(line.text) in kinds]
    return tuple(with_timestamp(line) for line in about[-limit:])


def warnings_of(log: Sequence[LogLine]) -> tuple[LogLine, ...]:
    """Return the warnings and errors of a log."""
    return tuple(line for line in log if _GRAVE.search(line.text))


def with_timestamp(line: LogLine) -> str:
    """Return a line with the time of day (UTC) when the node took it, without secrets."""
    text = masked(line.text.strip())
    dated = line.at is None or text.startswith(f"{line.at:%Y-}")
    return f"log: {text}" if dated else f"log {line.at:%H:%M:%S}: {text}"
