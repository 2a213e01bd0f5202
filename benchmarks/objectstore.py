"""An S3 server on loopback, in a process of its own: moto's, with what the service itself warrants.

S3 decides on If-None-Match in one step. moto looks and stores in two, each request in a thread of its own;
so such requests are let through one at a time. A bucket whose name begins with `careless` never sees that
header, as on a server that does not know it.
"""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock, Thread
from typing import Any

CARELESS = "careless"
_KEY = "only-for-tests"
_CONDITION = "HTTP_IF_NONE_MATCH"


@contextmanager
def s3_server() -> Iterator[dict[str, str]]:
    """Run the server, and give the environment by which a client finds it and signs in."""
    command = [sys.executable, "-m", "benchmarks.objectstore"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None and server.stdout is not None
        port = int(server.stdout.readline())
        try:
            yield {
                "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{port}",
                "AWS_ACCESS_KEY_ID": _KEY,
                "AWS_SECRET_ACCESS_KEY": _KEY,
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_EC2_METADATA_DISABLED": "true",
            }
        finally:
            server.stdin.close()  # It ends by itself then, also when this process is killed.


class _InTurn:
    """A WSGI application that takes conditional requests one at a time."""

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app, self._lock = app, Lock()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if str(environ["PATH_INFO"]).startswith(f"/{CARELESS}"):
            environ.pop(_CONDITION, None)
        if _CONDITION not in environ:
            return self._app(environ, start)
        with self._lock:
            return list(self._app(environ, start))


def _serve() -> None:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Handler(WSGIRequestHandler):
        """Sends head and body of an answer at once, not the second after an acknowledgement of the first."""

        disable_nagle_algorithm = True

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app = _InTurn(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    sys.stdin.read()
    server.shutdown()


def make_bucket(name: str, environment: Mapping[str, str]) -> str:
    """Make a bucket on the server, and return its URL."""
    from urllib.request import Request, urlopen

    address = f"{environment['AWS_ENDPOINT_URL_S3']}/{name}"
    signature = f"AWS4-HMAC-SHA256 Credential={_KEY}/20260101/us-east-1/s3/aws4_request"
    with urlopen(Request(address, method="PUT", headers={"Authorization": signature}), timeout=60):
        return f"s3://{name}"


if __name__ == "__main__":
    _serve()
