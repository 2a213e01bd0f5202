"""A TLS server's certificate, and clients' that it knows by their common name."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pgnb_rehearsal.certificates import issue


@dataclass(frozen=True)
class Identity:
    """A client's certificate and key, as PEM."""

    certificate: str
    key: str

    @classmethod
    def of(cls, name: str) -> Identity:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        plain = serialization.NoEncryption()
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        return cls(certificate.public_bytes(serialization.Encoding.PEM).decode(), private.decode())

    @property
    def user(self) -> dict[str, str]:
        """The user of a kubeconfig that holds both."""
        return {"client-certificate-data": encoded(self.certificate), "client-key-data": encoded(self.key)}


def encoded(text: str) -> str:
    """Base64, as a kubeconfig has it."""
    return base64.b64encode(text.encode()).decode()


def server_side(folder: Path, known: Iterable[Identity]) -> tuple[ssl.SSLContext, str]:
    """What a server on 127.0.0.1 takes to know these clients, and the authority of its own certificate."""
    made = issue("test", ("127.0.0.1",))
    pem = folder / "server.pem"
    pem.write_text(made.key + made.server)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    context.load_verify_locations(cadata="".join(identity.certificate for identity in known))
    context.verify_mode = ssl.CERT_OPTIONAL
    return context, made.ca
