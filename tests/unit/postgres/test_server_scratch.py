"""Which databases pgnb may take for its own: by whole names, since one of an operator's may begin alike."""

import pytest

from pgnb.postgres.scratch import CUTOVER, SERVICE, is_own, unfinished


@pytest.mark.parametrize("name", [SERVICE, CUTOVER, unfinished("shop"), unfinished("顧客 100%")])
def test_names_that_no_parameter_gives_are_its_own(name: str) -> None:
    assert is_own(name)


@pytest.mark.parametrize(
    "name", ["pgnb_prod", "pgnb_", "pgnb_services", "my_pgnb_service", "pgnb_new_db", "shop"]
)
def test_a_name_that_only_begins_alike_is_an_operators(name: str) -> None:
    assert not is_own(name)
