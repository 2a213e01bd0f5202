"""Decode bytes of a file, a Secret or a container's output."""

from __future__ import annotations

from pathlib import Path

from pgnb.core.errors import ParameterError, PgnbError

_SAVE = "Save it as UTF-8 (iconv -t UTF-8)."


def decoded(
    content: bytes, what: str, *, error: type[PgnbError] = ParameterError, remedy: str = _SAVE
) -> str:
    """Decode UTF-8; `what` names the source. Raises `error`, which does not show the content."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as wrong:
        place = wrong.start
    raise error(f"{what} is not UTF-8", found=f"byte {place + 1} of {len(content)} is invalid", remedy=remedy)


def read_text(path: Path) -> str:
    """Return a file's text. Raises ParameterError if it cannot be read or is not UTF-8."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ParameterError(f"{path} cannot be read", found=error.strerror or str(error)) from error
    return decoded(content, str(path))
