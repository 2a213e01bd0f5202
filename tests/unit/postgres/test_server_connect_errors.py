"""What a refused connection means: is waiting of use, and what is to be done."""

from __future__ import annotations

import pytest

from pgnb.postgres.connect_errors import is_final, remedy_for


@pytest.mark.parametrize(
    ("words", "final", "remedy"),
    [
        ('FATAL: password authentication failed for user "x"', True, "Secret"),
        ("fe_sendauth: no password supplied", True, "secret:NAME/KEY"),
        (
            'FATAL: no pg_hba.conf entry for host "10.0.0.1", user "x", database "y", no encryption',
            True,
            "2.1",
        ),
        ('FATAL: role "x" does not exist', True, "create it"),
        ('FATAL: database "x" does not exist', True, "exists"),
        ("FATAL: the database system is starting up", False, "starting or shutting down"),
        ("FATAL: the database system is shutting down", False, "starting or shutting down"),
        ("FATAL: sorry, too many clients already", False, "max_connections"),
        ("Connection refused", False, "log"),
        ("server closed the connection unexpectedly", False, "log"),
        ('ユーザー"x"のパスワード認証に失敗しました', False, ""),
    ],
)
def test_the_servers_words_are_understood(words, final, remedy):
    assert is_final(words) is final
    assert remedy in remedy_for(words)
    assert bool(remedy_for(words)) is bool(remedy)
