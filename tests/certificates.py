"""A certificate authority of the tests."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Authority:
    """A certificate authority of the tests, with its certificate in a file."""

    folder: Path

    def issue(self, subject: str, issuer: str = "", key: ec.EllipticCurvePrivateKey | None = None) -> None:
        """Write NAME.crt and NAME.key (0600), signed by `issuer`'s key, or by its own."""
        own = ec.generate_private_key(ec.SECP256R1())
        signer = key or own
        now = datetime.datetime.now(datetime.UTC)
        day = datetime.timedelta(days=1)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(_named(subject))
            .issuer_name(_named(issuer or subject))
            .public_key(own.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - day)
            .not_valid_after(now + day)
            .add_extension(x509.BasicConstraints(ca=not issuer, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(subject)]), critical=False)
            .sign(signer, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        private = own.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (self.folder / f"{subject}.crt").write_bytes(certificate.public_bytes(pem))
        (self.folder / f"{subject}.key").touch(mode=0o600)
        (self.folder / f"{subject}.key").write_bytes(private)

    def key_of(self, subject: str) -> ec.EllipticCurvePrivateKey:
        loaded = serialization.load_pem_private_key((self.folder / f"{subject}.key").read_bytes(), None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        return loaded

    def path(self, file: str) -> str:
        return str(self.folder / file)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
