"""The certificates of a rehearsal cluster: a CA of its own and the API server's certificate below it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFETIME = timedelta(days=365)
_NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
_FULL_NAME = "kubernetes.default.svc.cluster.local"


@dataclass(frozen=True)
class Certificates:
    """PEM texts: the CA's certificate, the server's certificate and its private key."""

    ca: str
    server: str
    key: str


def issue(cluster: str, addresses: tuple[str, ...]) -> Certificates:
    """New certificates for `cluster`, whose server answers at `addresses` (IP) and its names as a Service."""
    ca_key, server_key = _new_key(), _new_key()
    issuer = _name(f"pgnb-{cluster}-ca")
    ca = _builder(issuer, issuer, ca_key).add_extension(x509.BasicConstraints(True, 0), critical=True)
    ca = ca.add_extension(_usage(signs=True), critical=True)
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in (*_NAMES, _FULL_NAME)]
    names += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
    server = _builder(_name("kube-apiserver"), issuer, server_key)
    server = server.add_extension(x509.SubjectAlternativeName(names), critical=False)
    server = server.add_extension(_usage(signs=False), critical=True)
    server = server.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    server = server.add_extension(_authority(ca_key), critical=False)
    return Certificates(_signed(ca, ca_key), _signed(server, ca_key), _pem(server_key))


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(minutes=5)).not_valid_after(now + _LIFETIME)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return builder.add_extension(identifier, critical=False)


def _authority(key: ec.EllipticCurvePrivateKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=not signs,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _signed(builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> str:
    certificate = builder.sign(key, hashes.SHA256())
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
    plain = serialization.NoEncryption()
    encoded = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    return encoded.decode()
