"""A store that cannot be used is one clear error, and never shows a credential."""

from __future__ import annotations

import os
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import fsspec
import pytest

from pgnb.core.errors import ParameterError, RecordError
from pgnb.fleet.objects import Objects
from pgnb.fleet.store import RecordStore
from pgnb.runbook.records import Archive
from tests.unit.fleet.runs import sealed

_SECRET = "tHe-SeCrEt-of-the-store"


@pytest.mark.parametrize(
    "url", ["ftp://host/x", "records", "/srv/records", "s3://", "file://relative", "s3:///", "https://host/x"]
)
def test_a_url_that_is_no_place_for_records_is_refused(url):
    with pytest.raises(ParameterError) as refused:
        RecordStore.at(url)
    assert "s3://BUCKET/FOLDER" in refused.value.remedy


@pytest.mark.parametrize("url", [f"s3://id:{_SECRET}@bucket/x", f"s3://bucket/x?secret={_SECRET}"])
def test_credentials_in_a_url_are_refused_and_not_repeated(url):
    with pytest.raises(ParameterError, match="must hold no credentials") as refused:
        RecordStore.at(url)
    assert _SECRET not in str(refused.value)


@pytest.mark.parametrize(("url", "extra"), [("gs://bucket/x", "gs"), ("abfs://box@account/x", "abfs")])
def test_a_missing_driver_names_the_extra_that_brings_it(url, extra, monkeypatch):
    def missing(_scheme: str) -> None:
        raise ImportError("Please install the driver to access this")

    monkeypatch.setattr("pgnb.fleet.objects.get_filesystem_class", missing)
    with pytest.raises(ParameterError, match="its driver is not installed") as refused:
        RecordStore.at(url)
    assert f"pgnb[{extra}]" in refused.value.remedy


def test_a_bucket_that_does_not_exist_is_named(new_bucket, tmp_path):
    new_bucket("records")
    store = RecordStore.at("s3://no-such-bucket-anywhere/production")
    archive = Archive(tmp_path)
    for ask in (
        store.targets,
        store.entries,
        store.target("shop").index,
        store.target("shop").verify,
        lambda: store.target("shop").adopt(tmp_path / "pod"),
        lambda: store.target("shop").push(archive, sealed(archive)),
    ):
        with pytest.raises(RecordError, match="there is no such bucket") as missing:
            ask()
        assert "s3://no-such-bucket-anywhere/production" in str(missing.value)


def test_an_empty_bucket_has_no_targets(new_bucket):
    url = new_bucket("records")
    assert RecordStore.at(url).targets() == []
    assert RecordStore.at(f"{url}/production").targets() == []
    assert RecordStore.at(url).target("shop").index() == []


def test_a_volume_that_is_not_mounted_is_no_place_for_records(tmp_path):
    store = RecordStore.at(f"file://{tmp_path}/not/mounted")
    archive = Archive(tmp_path / "pod")
    for ask in (store.targets, lambda: store.target("shop").push(archive, sealed(archive))):
        with pytest.raises(RecordError, match="there is no such bucket, container or folder"):
            ask()
    assert not (tmp_path / "not").exists()


@pytest.fixture
def signed_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAONLYFORTESTS")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", _SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


class _Denying(BaseHTTPRequestHandler):
    """Answers 403 to everything, and repeats what it was told in its message."""

    protocol_version = "HTTP/1.1"

    def _deny(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        words = f"<Code>AccessDenied</Code><Message>{_SECRET} {self.headers['Authorization']}</Message>"
        body = f"<?xml version='1.0'?><Error>{words}</Error>".encode()
        self.send_response(403)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_PUT = do_HEAD = do_POST = _deny

    def log_message(self, *_words: object) -> None:
        """Nothing."""


@pytest.fixture
def denying() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Denying)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_denied_access_says_what_is_needed_and_no_credential(denying, signed_in, monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", denying)
    store, archive = RecordStore.at("s3://records/production"), Archive(tmp_path / "pod")
    record = sealed(archive)
    for ask in (
        store.targets,
        store.target("shop").index,
        lambda: store.target("shop").push(archive, record),
    ):
        with pytest.raises(RecordError, match="denies access") as denied:
            ask()
        assert "list, read and write" in denied.value.remedy
        assert _SECRET not in str(denied.value) and "AKIAONLYFORTESTS" not in str(denied.value)
        assert denied.value.__cause__ is None


def test_a_store_that_does_not_answer_is_one_clear_error(signed_in, monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Denying)
    port = server.server_port
    server.server_close()
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{port}")
    with pytest.raises(RecordError, match="s3://records/production cannot be reached") as away:
        RecordStore.at("s3://records/production").target("shop").index()
    assert "AWS_ENDPOINT_URL_S3" in away.value.remedy
    assert _SECRET not in str(away.value)


def test_without_credentials_nothing_is_asked(denying, signed_in, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", denying)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(RecordError, match="no credentials for s3://records") as refused:
        RecordStore.at("s3://records/x").target("shop").index()
    assert "Secret" in refused.value.remedy


def test_a_signature_in_an_address_is_masked():
    objects = Objects.at("file:///tmp")
    told = objects._told(OSError("PUT https://box.blob.core.windows.net/x?sv=1&sig=abc%2Fdef&se=2 failed"))
    assert "abc" not in str(told) and "sig=********" in str(told)


def test_a_driver_s_own_words_for_an_object_that_is_there_are_known(new_bucket, monkeypatch):
    """Drivers of other versions do not turn the store's refusal into FileExistsError."""
    objects = Objects.at(new_bucket("records"))

    class ResourceExistsError(Exception):
        """As the Azure SDK names it."""

    refusals: list[Exception] = [
        ResourceExistsError("The specified blob already exists."),
        OSError(22, "An error occurred (PreconditionFailed) when calling the PutObject operation"),
        OSError(16, "ConditionalRequestConflict"),
    ]
    for refusal in refusals:

        def refuse(*_given: object, refusal: Exception = refusal, **_options: object) -> None:
            raise refusal

        monkeypatch.setattr(objects._fs, "pipe_file", refuse)
        assert objects.create("x", b"") is False
    monkeypatch.setattr(objects._fs, "pipe_file", lambda *_given, **_options: 1 / 0)
    with pytest.raises(RecordError, match="cannot be reached"):
        objects.create("x", b"")


def test_a_name_with_a_pattern_s_characters_is_a_name(url):
    objects = Objects.at(url)
    assert objects.create("shop/a[1]*?.json", b"one") is True
    assert objects.create("shop/a[1]*?.json", b"two") is False
    assert objects.read(["shop/a[1]*?.json", "shop/none"]) == {"shop/a[1]*?.json": b"one"}
    assert objects.below("shop") == ["a[1]*?.json"]
    assert objects.folders() == ["shop"]


def test_each_scheme_is_one_that_fsspec_knows():
    known = set(fsspec.available_protocols())
    assert {"s3", "gs", "gcs", "abfs", "abfss", "az", "file"} <= known
