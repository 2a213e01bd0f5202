"""Files that only their owner may read, from the moment at which they are there."""

from __future__ import annotations

import os
from pathlib import Path


def private_opener(path: str, flags: int) -> int:
    """What `open` takes as its opener, so that a file that it makes has the mode 0600."""
    return os.open(path, flags, 0o600)


def write_private(path: Path, content: str | bytes) -> None:
    """Put content (text as UTF-8) into a file, which is private afterwards, whatever it was before."""
    with open(path, "wb", opener=private_opener) as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(content.encode() if isinstance(content, str) else content)
