"""Files that only their owner may read, from the moment they are created."""

from __future__ import annotations

import os
from pathlib import Path


def private_opener(path: str, flags: int) -> int:
    """Open a file for `open(…, opener=…)`; a new file has the mode 0600."""
    return os.open(path, flags, 0o600)


def make_private_folder(folder: Path) -> None:
    """Make a folder and those above it that are missing, each its owner's alone."""
    if not folder.is_dir():
        make_private_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def write_private(path: Path, content: str | bytes) -> None:
    """Write content (text as UTF-8) to a file and make the file private, also one that existed before."""
    with open(path, "wb", opener=private_opener) as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(content.encode() if isinstance(content, str) else content)
