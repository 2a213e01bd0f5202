"""The bytes of an object store, by fsspec: s3, gs, abfs and file; the only module that touches fsspec.

Credentials come from the environment or from the driver's own chain (a pod's role, a profile, a metadata
service), never from a URL. What this module relies on, by driver, is that an object can be created only if
there is none of that name:

- s3fs: `pipe_file(…, mode="create")` sends If-None-Match; S3 answers 412, which becomes FileExistsError.
- gcsfs: the same argument sends ifGenerationMatch=0; 412 becomes FileExistsError, and 403 a bare OSError.
- adlfs: `pipe_file(…, overwrite=False)` sends If-None-Match; the Azure SDK's ResourceExistsError, which newer
  versions turn into FileExistsError. Without `anon=False` it signs in as nobody.
- local files: fsspec looks first and writes then, so it is done here: a file that is complete is linked to
  its name, which fails where the name is taken. A replaced file is renamed into its place.

An S3-compatible server that does not know the condition would overwrite; `assert_exclusive` finds that out.

papermill's own handlers for s3://, gs:// and abs:// are not used. They write one notebook's text, always over
what is there; a record is a folder of files that belong together, and its chain needs the condition. They
also take boto3 and the Azure SDK beside the drivers (only gs:// is gcsfs there, too).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

from fsspec import get_filesystem_class
from fsspec.core import url_to_fs

from pgnb.core.errors import ParameterError, RecordError
from pgnb.core.private import make_private_folder, private_opener
from pgnb.core.secrecy import MASK, masked

_EXTRAS: Mapping[str, str] = {
    "s3": "s3",
    "gs": "gs",
    "gcs": "gs",
    "abfs": "abfs",
    "abfss": "abfs",
    "az": "abfs",
    "file": "",
}
"""The extra of this package that brings a scheme's driver."""
_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "s3": {"config_kwargs": {"max_pool_connections": 64}},
    "abfs": {"anon": False},
}
"""What a driver is told beside the URL: 10 connections are too few for a fleet; records are never public."""
_CREATE: Mapping[str, Mapping[str, Any]] = {"s3": {"mode": "create"}, "gs": {"mode": "create"}}
_TAKEN = ("PreconditionFailed", "ConditionalRequestConflict")
"""Codes of S3 for an object that is there, or is being made; a driver may pass them on as they are."""
_HOW = "Write s3://BUCKET/FOLDER, gs://BUCKET/FOLDER, abfs://CONTAINER/FOLDER or file:///FOLDER."
_SECRET = re.compile(r"KEY|SECRET|TOKEN|PASSWORD|CREDENTIAL|CONNECTION_STRING|SAS", re.IGNORECASE)
_SIGNATURE = re.compile(
    r"([?&;](?:sig|X-Amz-(?:Signature|Credential|Security-Token))=)[^&;\s]+", re.IGNORECASE
)
_DENIED = re.compile(
    r"forbidden|access ?denied|authorizationfailure|not authorized|\b40[13]\b", re.IGNORECASE
)
_NO_LOGIN = (
    "NoCredentialsError",
    "PartialCredentialsError",
    "CredentialRetrievalError",
    "DefaultCredentialsError",
    "CredentialUnavailableError",
    "ClientAuthenticationError",
)
"""Names of the errors by which the drivers' libraries say that they have no usable credentials."""


class Objects:
    """The objects below one URL. A name is a path below it, such as `TARGET/head`."""

    def __init__(self, url: str, scheme: str) -> None:
        self.url = url
        self._scheme = scheme
        self._extra = _EXTRAS[scheme]
        self._exclusive = False

    @classmethod
    def at(cls, url: str) -> Objects:
        """Return the objects below a URL; nothing is asked of the store. Raises ParameterError."""
        scheme = _scheme_of(url)
        try:
            get_filesystem_class(scheme)
        except ImportError as error:
            raise ParameterError(
                f"records cannot be kept at {scheme}://: its driver is not installed",
                found=str(error).splitlines()[0],
                remedy=f"Install the extra: pip install 'pgnb[{_EXTRAS[scheme]}]'",
            ) from error
        kind = _Files if scheme == "file" else cls
        return kind(url.rstrip("/"), scheme)

    @cached_property
    def _fs(self) -> Any:
        options = {**_OPTIONS.get(self._extra, {}), "use_listings_cache": False, "skip_instance_cache": True}
        return url_to_fs(self.url, **options)[0]

    @cached_property
    def _root(self) -> str:
        return str(self._fs._strip_protocol(self.url)).rstrip("/")

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root

    def read(self, names: Sequence[str]) -> dict[str, bytes]:
        """Return the contents of those objects that exist, read at the same time. Raises RecordError."""
        if not names:
            return {}
        with self._asking():
            # Not `cat`, which takes a name with brackets for a pattern.
            answers = self._fs.cat_ranges([self._path(name) for name in names], None, None, on_error="return")
            found = {}
            for name, answer in zip(names, answers, strict=True):
                if isinstance(answer, FileNotFoundError):
                    continue
                if isinstance(answer, BaseException):
                    raise answer
                found[name] = bytes(answer)
            if not found:
                self._assert_there()
            return found

    def write(self, contents: Mapping[str, bytes]) -> None:
        """Write objects at the same time, each at once, over what is there. Raises RecordError."""
        if contents:
            with self._asking():
                self._fs.pipe({self._path(name): content for name, content in contents.items()})

    def create(self, name: str, content: bytes) -> bool:
        """Create an object that does not exist yet; False where it does. Raises RecordError."""
        with self._asking():
            try:
                self._fs.pipe_file(
                    self._path(name), content, **_CREATE.get(self._extra, {"overwrite": False})
                )
            except FileExistsError:
                return False
            except Exception as error:
                if not _is_taken(error):
                    raise
                return False
        return True

    def folders(self, name: str = "") -> list[str]:
        """Return the names of the folders directly below a folder. Raises RecordError."""
        with self._asking():
            try:
                found = self._fs.ls(self._path(name), detail=True)
            except FileNotFoundError:
                self._assert_there()
                return []
            kept = [str(one["name"]).rstrip("/") for one in found if one["type"] == "directory"]
            return sorted(path.rpartition("/")[2] for path in kept if path != self._path(name))

    def below(self, name: str) -> list[str]:
        """Return the names of all objects below a folder, relative to it. Raises RecordError."""
        with self._asking():
            start = f"{self._path(name)}/"
            try:
                found = [str(path) for path in self._fs.find(self._path(name))]
            except FileNotFoundError:
                self._assert_there()
                return []
            return sorted(path.removeprefix(start) for path in found if path.startswith(start))

    def assert_exclusive(self, name: str, content: bytes) -> None:
        """Raise RecordError if the store lets the same object be created twice.

        `name` is an object that may stay, with always the same content. Asked once.
        """
        if self._exclusive:
            return
        if self.create(name, content) and self.create(name, content):
            raise RecordError(
                f"{self.url} cannot keep a chain of records",
                found="the store created an object that was there already (it ignores If-None-Match)",
                remedy="Use a store, or a version of it, that knows conditional writes; two runs at once"
                " would overwrite each other's records here.",
            )
        self._exclusive = True

    def _assert_there(self) -> None:
        """Raise FileNotFoundError without a bucket; one that may not be listed is taken as there."""
        bucket = self._root.split("/", 1)[0]
        with suppress(PermissionError):
            try:
                self._fs.ls(bucket, detail=False)
            except FileNotFoundError:
                if not self._fs.exists(bucket):
                    raise

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Turn whatever a driver raises into one error that holds no credentials."""
        try:
            yield
        except RecordError:
            raise
        except Exception as error:
            raise self._told(error) from None

    def _told(self, error: Exception) -> RecordError:
        kind, found = type(error).__name__, _without_credentials(error)
        if isinstance(error, FileNotFoundError):
            return RecordError(
                f"there is no such bucket, container or folder: {self.url}",
                found=found,
                remedy="Look at the name in the URL, and make the bucket; it is not made by itself.",
            )
        if kind in _NO_LOGIN:
            return RecordError(
                f"no credentials for {self.url}",
                found=found,
                remedy="Give them by the environment (AWS_ACCESS_KEY_ID, GOOGLE_APPLICATION_CREDENTIALS,"
                " AZURE_STORAGE_…), in a Job by its Secret or its service account's role.",
            )
        if isinstance(error, PermissionError) or _DENIED.search(found):
            return RecordError(
                f"{self.url} denies access",
                found=found,
                remedy="The login needs to list, read and write objects below this URL.",
            )
        return RecordError(
            f"{self.url} cannot be reached",
            found=found,
            remedy="Look at the network and at the store's address (AWS_ENDPOINT_URL_S3 for another than"
            " Amazon's), then do it again: what was done in part is completed.",
        )


class _Files(Objects):
    """Objects that are files of this machine, private to their owner and on the disk when a call returns."""

    def write(self, contents: Mapping[str, bytes]) -> None:
        """Write files, each renamed into its place."""
        with self._asking():
            for name, content in contents.items():
                self._complete(name, content).replace(self._path(name))
                _sync(Path(self._path(name)).parent)

    def create(self, name: str, content: bytes) -> bool:
        """Link a complete file to its name, unless that is taken."""
        with self._asking():
            part = self._complete(name, content)
            try:
                os.link(part, self._path(name))
            except FileExistsError:
                return False
            finally:
                part.unlink()
            _sync(part.parent)
        return True

    def _complete(self, name: str, content: bytes) -> Path:
        """Write a file of another name beside the one that is meant, and return it."""
        self._assert_there()
        folder = Path(self._path(name)).parent
        make_private_folder(folder)
        part = folder / f".{uuid4().hex}.part"
        with open(part, "wb", opener=private_opener) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        return part

    def below(self, name: str) -> list[str]:
        """Return the names of all files below a folder; what a killed run had begun to write is none."""
        found = super().below(name)
        return [one for one in found if not one.rpartition("/")[2].startswith(".")]

    def _assert_there(self) -> None:
        """A folder is made where its parent exists: a volume that is not mounted is no place for records."""
        if not Path(self._root).parent.is_dir():
            raise FileNotFoundError(str(Path(self._root).parent))


def _scheme_of(url: str) -> str:
    """Return the scheme of a usable URL. Raises ParameterError, which shows no more than that scheme."""
    scheme, there, rest = url.partition("://")
    if not there or scheme not in _EXTRAS:
        raise ParameterError("records cannot be kept there", found=scheme if there else url[:40], remedy=_HOW)
    login, at, _ = rest.partition("@")
    if (at and ":" in login) or "?" in rest or "::" in rest:
        raise ParameterError(
            "the URL of the records must hold no credentials and no options",
            found=f"{scheme}://…",
            remedy="Give credentials by the environment or a Secret.",
        )
    if not rest.strip("/") or (scheme == "file" and not rest.startswith("/")):
        raise ParameterError("the URL of the records names no place", found=url, remedy=_HOW)
    return scheme


def _is_taken(error: Exception) -> bool:
    """Whether a driver says in its own words that there is an object of that name.

    S3 also refuses while another request for the same object is under way (409).
    """
    words = f"{error!r} {error.__cause__!r}"
    return type(error).__name__ == "ResourceExistsError" or any(name in words for name in _TAKEN)


def _without_credentials(error: Exception) -> str:
    """Return an error's kind and first line without the value of any variable that may hold a secret."""
    lines = str(error).strip().splitlines()
    text = ": ".join((type(error).__name__, *lines[:1]))
    for name, value in os.environ.items():
        if _SECRET.search(name) and len(value) >= 6:
            text = text.replace(value, MASK)
    return masked(_SIGNATURE.sub(rf"\g<1>{MASK}", text))


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
