"""Files of a volume that change all at once: kubelet's AtomicWriter (pkg/volume/util/atomic_writer.go).

    volume/..2026_11_22_20_32_11.123456789/postgresql.conf
    volume/..data          -> ..2026_11_22_20_32_11.123456789
    volume/postgresql.conf -> ..data/postgresql.conf

A change makes a new directory and renames `..data` over the old link, so that a reader sees either all old
files or all new ones.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path, PurePosixPath

from pgnb_rehearsal.node.volume_sources import Payload

_DATA = "..data"
_NEXT = "..data_tmp"


class AtomicVolume:
    """The directory of a volume; its files belong to user `owner` and group `group` (as numbered here)."""

    def __init__(self, path: Path, owner: int, group: int) -> None:
        self.path = path
        self._owner = owner
        self._group = group
        self._shown: Payload | None = None
        self._directory: Path | None = None

    def show(self, files: Payload) -> bool:
        """Make the volume show exactly `files`; False when it already does. OSError as the disk has it."""
        if files == self._shown:
            return False
        self.path.mkdir(parents=True, exist_ok=True)
        before, self._directory = self._directory, self.path / _fresh_name()
        self._fill(self._directory, files)
        (self.path / _NEXT).symlink_to(self._directory.name)
        (self.path / _NEXT).rename(self.path / _DATA)
        self._link(files)
        self._shown = dict(files)
        if before is not None:
            shutil.rmtree(before)
        return True

    def _fill(self, directory: Path, files: Payload) -> None:
        directory.mkdir(mode=0o755)
        for name, file in files.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.data)
            path.chmod(file.mode)
        for folder, _, names in os.walk(directory):
            os.chown(folder, self._owner, self._group)
            for name in names:
                os.chown(Path(folder, name), self._owner, self._group)

    def _link(self, files: Payload) -> None:
        """The names that a user sees are links through `..data`; those of files that are gone go too."""
        wanted = {PurePosixPath(name).parts[0] for name in files}
        for name in wanted:
            if not (self.path / name).is_symlink():
                (self.path / name).symlink_to(f"{_DATA}/{name}")
        for path in self.path.iterdir():
            if path.name not in wanted and not path.name.startswith(".."):
                path.unlink()


def _fresh_name() -> str:
    nanoseconds = time.time_ns()
    moment = time.gmtime(nanoseconds // 10**9)
    return f"..{time.strftime('%Y_%m_%d_%H_%M_%S', moment)}.{nanoseconds % 10**9:09d}"
