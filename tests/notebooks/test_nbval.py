"""The notebooks as a person opens them: defaults, each cell run by nbval, marked outputs compared."""

import pytest

from tests.notebooks import runs
from tests.notebooks.test_logical_procedure import CARRIED_OUT
from tests.notebooks.test_procedure import NUMBERS


@pytest.mark.long
@pytest.mark.parametrize(("part", "numbers"), [("physical", NUMBERS[:6]), ("logical", CARRIED_OUT)])
def test_what_was_carried_out_passes_nbval_with_the_defaults(part, numbers, home, given, executed):
    runs.pipeline([part], given["kubeconfig"], executed)
    runs.nbval(numbers, home)
