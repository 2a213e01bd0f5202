"""Verifiers: RFC 7677's example, and what libpq and the server would make of the same password."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from pgnb.postgres.scram import saslprep, verifier_of, verifies


def test_the_keys_fit_the_example_of_rfc_7677():
    verifier = verifier_of("pencil", salt=base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="), iterations=4096)
    stored, server = (base64.b64decode(key) for key in verifier.split("$")[2].split(":"))
    auth = (
        b"n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        b"s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    )
    proof = base64.b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    key = bytes(a ^ b for a, b in zip(proof, hmac.digest(stored, auth, "sha256"), strict=True))
    assert hashlib.sha256(key).digest() == stored
    assert (
        base64.b64encode(hmac.digest(server, auth, "sha256"))
        == b"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    )


@pytest.mark.parametrize(
    "password", ["pencil", "päss wörd", "パスワード", "a\u00adb", "\u2168", "x" * 500, "\x07"]
)
def test_a_verifier_verifies_its_own_password_and_no_other(password):
    verifier = verifier_of(password)
    assert verifies(verifier, password)
    assert not verifies(verifier, password + "x")
    assert password not in verifier


@pytest.mark.parametrize("verifier", ["", "md5c4ca4238a0b923820dcc509a6f75849b", "pencil", "SCRAM-SHA-256$x"])
def test_what_is_no_verifier_verifies_nothing(verifier):
    assert not verifies(verifier, "pencil")


@pytest.mark.parametrize(
    ("password", "normal"),
    [
        ("I\u00adX", "IX"),
        ("user", "user"),
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("a\u00a0b", "a b"),
        ("\x07", "\x07"),
        ("\u0627\u0031", "\u0627\u0031"),
    ],
)
def test_passwords_are_normalised_as_rfc_4013_says_and_left_where_it_prohibits(password, normal):
    assert saslprep(password) == normal
