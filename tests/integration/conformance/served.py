"""The API server alone, over TLS, in a thread of this process."""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import secrets
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pgnb_rehearsal.api.access import Credentials
from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.api.server import build_app
from pgnb_rehearsal.api.status import StatusError
from pgnb_rehearsal.api.store import Store


class NoNode:
    """A cluster whose node is away: every way into a pod is refused, as a lost kubelet makes it."""

    async def logs(self, request: web.Request, pod: Object) -> web.StreamResponse:
        raise StatusError(500, "InternalError", "the node is away")

    exec = logs
    portforward = logs


@contextmanager
def served_api(directory: Path) -> Iterator[Path]:
    """Serves until the end of the block; gives the path of a kubeconfig."""
    token = secrets.token_urlsafe(16)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    starting = asyncio.run_coroutine_threadsafe(_start(directory, token), loop)
    runner, port, certificate = starting.result(timeout=30)
    try:
        yield _kubeconfig(directory, port, certificate, token)
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(timeout=30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=30)
        loop.close()


async def _start(directory: Path, token: str) -> tuple[web.AppRunner, int, bytes]:
    store = Store()
    store.create("storageclasses", _storage_class())
    app = build_app(store, NoNode(), Credentials(token))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    context, certificate = _tls(directory)
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    return runner, runner.addresses[0][1], certificate


def _storage_class() -> Object:
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"}
    metadata = {"name": "standard", "annotations": annotations}
    return {"metadata": metadata, "provisioner": "example.com/none"}


def _tls(directory: Path) -> tuple[ssl.SSLContext, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "conformance")])
    now = datetime.now(UTC)
    addresses = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(addresses, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem = directory / "server.pem"
    pem.touch(mode=0o600)
    pem.write_bytes(private + public)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    return context, public


def _kubeconfig(directory: Path, port: int, certificate: bytes, token: str) -> Path:
    path = directory / "kubeconfig"
    path.touch(mode=0o600)
    cluster = {
        "server": f"https://127.0.0.1:{port}",
        "certificate-authority-data": base64.b64encode(certificate).decode(),
    }
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "served",
        "clusters": [{"name": "served", "cluster": cluster}],
        "users": [{"name": "served", "user": {"token": token}}],
        "contexts": [{"name": "served", "context": {"cluster": "served", "user": "served"}}],
    }
    path.write_text(yaml.safe_dump(config))
    return path
