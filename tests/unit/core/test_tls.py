"""libpq's TLS options: the system's authorities go with verify-full only, as libpq has it."""

from __future__ import annotations

import pytest

from pgnb.core.errors import ParameterError
from pgnb.core.tls import checked_tls, files_of


def test_the_systems_authorities_with_a_checked_name() -> None:
    options = {"sslmode": "verify-full", "sslrootcert": "system"}
    assert checked_tls(options) is options
    assert files_of(options) == ()


@pytest.mark.parametrize("mode", [{}, {"sslmode": "require"}, {"sslmode": "verify-ca"}])
def test_the_systems_authorities_without_it_are_refused(mode: dict[str, str]) -> None:
    with pytest.raises(ParameterError, match="sslrootcert = system is not possible with sslmode"):
        checked_tls(mode | {"sslrootcert": "system"})
