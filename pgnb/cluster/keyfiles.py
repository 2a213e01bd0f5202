"""Certificates and keys that a kubeconfig holds, as files that are on no disk.

TLS libraries take a key by its file's path. On Linux that file lies in this process's memory and ends with
the process, however that ends; elsewhere it lies in a private directory, removed as the interpreter ends.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path


@cache
def path_of(content: bytes) -> str:
    """A path at which this process, and no other user, reads `content`; the same one for the same content.

    It can be opened any number of times and by any thread. A program that is started does not inherit it.
    """
    if not hasattr(os, "memfd_create"):
        return _in_private_directory(content)
    path = Path(f"/proc/self/fd/{os.memfd_create('pgnb', os.MFD_CLOEXEC)}")
    path.write_bytes(content)
    return str(path)


def _in_private_directory(content: bytes) -> str:
    descriptor, path = tempfile.mkstemp(dir=_private_directory())
    os.close(descriptor)
    Path(path).write_bytes(content)
    return path


@cache
def _private_directory() -> str:
    path = tempfile.mkdtemp(prefix="pgnb-")
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path
