"""Stores that exist: a folder, and a bucket of an S3 server on loopback."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fsspec.core import url_to_fs

from benchmarks.objectstore import make_bucket, s3_server

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def s3_environment() -> Iterator[dict[str, str]]:
    """The environment by which a client finds the session's S3 server."""
    with s3_server() as environment:
        yield environment


_opened: dict[str, Any] = {}
"""The driver that the session's tests share: to make one takes longer than a test."""


def _shared(url: str, **options: Any) -> tuple[Any, str]:
    scheme = url.partition("://")[0]
    if scheme not in _opened:
        _opened[scheme] = url_to_fs(url, **options)[0]
    return _opened[scheme], _opened[scheme]._strip_protocol(url)


@pytest.fixture
def new_bucket(s3_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Make a bucket whose name begins so, and return its URL; this process signs in to its server."""
    for name, value in s3_environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("pgnb.fleet.objects.url_to_fs", _shared)
    return lambda prefix: make_bucket(f"{prefix}-{next(_numbers)}", s3_environment)


@pytest.fixture(params=["file", "s3"])
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Return the URL of an empty store, another one each time."""
    if request.param == "file":
        return lambda: f"file://{tmp_path}/store-{next(_numbers)}"
    new_bucket = request.getfixturevalue("new_bucket")
    return lambda: f"{new_bucket('records')}/production"


@pytest.fixture
def url(new_url: Callable[[], str]) -> str:
    """The URL of an empty store, on a disk and on S3."""
    return new_url()
