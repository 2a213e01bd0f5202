"""SSH signatures as git uses them: `ssh-keygen -Y`, and a file that says whose key is whose."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pgnb.core.errors import RecordError


def sign(text: str, key: Path, purpose: str) -> str:
    """Return the signature of a text by an SSH key.

    `key` is a private key, or the public key of one that ssh-agent holds; ssh-keygen asks for its passphrase.
    `purpose` is ssh-keygen's namespace: a signature for something else does not count. Raises RecordError.
    """
    done = _ssh("sign", "-q", "-n", purpose, "-f", str(key), given=text)
    if done.returncode or not done.stdout:
        raise RecordError(
            "nothing could be signed", found=done.stderr.strip(), remedy=f"Look at the key {key}."
        )
    return done.stdout


def signers_of(signature: str, signers: Path, purpose: str) -> list[str]:
    """Return everybody to whom the file of allowed_signers gives the key that made a signature."""
    with _file(signature) as path:
        return _ssh("find-principals", "-s", path, "-f", str(signers), "-n", purpose).stdout.split()


def holds(text: str, signature: str, signers: Path, purpose: str, who: str) -> bool:
    """Return whether a signature is that of `who` on this very text."""
    with _file(signature) as path:
        options = ("-s", path, "-f", str(signers), "-n", purpose, "-I", who)
        return not _ssh("verify", *options, given=text).returncode


def fingerprint(text: str, signature: str, purpose: str) -> str:
    """Return the fingerprint of the key that made a signature."""
    with _file(signature) as path:
        said = _ssh("check-novalidate", "-s", path, "-n", purpose, given=text)
    return said.stdout.strip().rpartition(" key ")[2]


@contextmanager
def _file(signature: str) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="pgnb-signature-") as folder:
        path = Path(folder, "signature")
        path.write_text(signature, "utf-8")
        yield str(path)


def _ssh(verb: str, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["ssh-keygen", "-Y", verb, *arguments], input=given, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise RecordError(
            "there is no ssh-keygen on this machine", remedy="Install OpenSSH's client, 8.2 or newer."
        ) from error
