"""Options of pg_basebackup, the duration of a copy with them, and the WAL that must be kept for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pgnb.core.checks import Check
from pgnb.core.display import format_bytes, format_duration
from pgnb.core.errors import ParameterError
from pgnb.postgres import Server

ASSUMED_RATE = 100 * 1024**2
"""Bytes per second assumed for a copy without a limit: a typical cloud disk or network."""
_UNITS = {"": 1024, "k": 1024, "M": 1024**2}
_RATE = re.compile(r"(\d+(?:\.\d+)?)([kM]?)\Z")
_LEAST, _MOST = 32 * 1024, 1024**3
_CHECKPOINTS = ("fast", "spread")
_COMPRESSES = 15
"""The first major version that compresses a base backup on the server."""
_COMPRESSION = re.compile(r"server-(gzip|lz4|zstd)(:[\w=,]+)?\Z")


@dataclass(frozen=True)
class BackupOptions:
    """Options of pg_basebackup: `--max-rate`, `--checkpoint` and `--compress`; "" leaves one out.

    Raises ParameterError for a value that pg_basebackup refuses. In plain format only the server can
    compress.
    """

    max_rate: str = ""
    checkpoint: str = "fast"
    compression: str = ""

    def __post_init__(self) -> None:
        if self.max_rate and not _LEAST <= self.bytes_per_second <= _MOST:
            raise ParameterError(
                f"max_rate cannot be {self.max_rate!r}",
                remedy="Write bytes per second from 32k to 1024M, such as 50M.",
            )
        if self.checkpoint not in _CHECKPOINTS:
            raise ParameterError(
                f"backup_checkpoint cannot be {self.checkpoint!r}", remedy="Use fast or spread."
            )
        if self.compression and not _COMPRESSION.match(self.compression):
            raise ParameterError(
                f"backup_compression cannot be {self.compression!r}",
                remedy="Write server-lz4, server-zstd or server-gzip, with a level if needed: server-zstd:3.",
            )

    @property
    def bytes_per_second(self) -> float:
        """The limit; 0 for none, or for a text that is not a rate."""
        match = _RATE.match(self.max_rate)
        return float(match[1]) * _UNITS[match[2]] if match else 0.0

    @property
    def arguments(self) -> tuple[str, ...]:
        """The arguments for pg_basebackup."""
        limits = [f"--max-rate={self.max_rate}"] if self.max_rate else []
        packed = [f"--compress={self.compression}"] if self.compression else []
        return (f"--checkpoint={self.checkpoint}", *limits, *packed)

    def checks(self, primary: Server, data_bytes: int) -> Iterator[Check]:
        """Check whether the server can compress; estimate the duration at the limit or 100 MB/s (advice)."""
        if self.compression:
            major = primary.facts.major
            yield Check(
                "backup_compression",
                major >= _COMPRESSES,
                f"PostgreSQL {major}",
                f"{_COMPRESSES} or later",
                "This version cannot compress a base backup: leave backup_compression empty.",
            )
        yield self._duration(primary, data_bytes)

    def _duration(self, primary: Server, data_bytes: int) -> Check:
        """Check whether a slot keeps all WAL written during the copy."""
        seen = primary.fetch_one("physical/copy_estimate")
        rate = self.bytes_per_second or ASSUMED_RATE
        seconds = data_bytes / rate
        wal, cap = int(seen["wal_rate"] * seconds), seen["cap_bytes"]
        found = (
            f"{format_bytes(data_bytes)} at {format_bytes(rate)}/s take {format_duration(seconds)};"
            f" {format_bytes(wal)} of WAL during it, by the average since {seen['since']:%Y-%m-%d %H:%M}"
        )
        kept = "no limit" if cap is None else format_bytes(cap)
        return Check(
            "WAL kept during the copy",
            cap is None or wal < cap,
            found,
            f"< max_slot_wal_keep_size, {kept}",
            "Raise max_slot_wal_keep_size during the copy (a reload), if the disk has room.",
            advice=True,
        )
