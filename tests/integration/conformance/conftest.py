"""The cluster that the recordings are compared with.

PGNB_CONFORMANCE_KUBECONFIG names a kubeconfig: any cluster, which must pass as well. Without it the API
server is started in this process, and the suite runs again on the whole rehearsal cluster.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conformance.lives import Place, furnished
from tests.integration.conformance.replay import Api, Replay
from tests.integration.conformance.served import served_api

_CHOSEN = os.environ.get("PGNB_CONFORMANCE_KUBECONFIG", "")
# The same server again, with everything around it.
_WHOLE = pytest.param("rehearsal", marks=pytest.mark.long)


@pytest.fixture(scope="module", params=["chosen"] if _CHOSEN else ["server", _WHOLE])
def api_kubeconfig(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """The way to the API to compare: of the chosen cluster, of a server in this process, of the rehearsal
    cluster."""
    if request.param == "chosen":
        yield Path(_CHOSEN)
    elif request.param == "rehearsal":
        yield request.getfixturevalue("kubeconfig")
    else:
        with served_api(tmp_path_factory.mktemp("api")) as kubeconfig:
            yield kubeconfig


@pytest.fixture(scope="module")
def api(api_kubeconfig: Path) -> Api:
    """The API to compare."""
    return Api.from_kubeconfig(api_kubeconfig)


@pytest.fixture(scope="module")
def replay(api: Api) -> Iterator[Replay]:
    """A replay in a namespace of its own, which is deleted at the end."""
    replay = Replay(api, f"conformance-{uuid.uuid4().hex[:8]}")
    yield replay
    api.call("DELETE", f"/api/v1/namespaces/{replay.namespace}")


@pytest.fixture(scope="module")
def whole(request: pytest.FixtureRequest) -> Api:
    """A whole cluster, with controllers and a node: the chosen one or the rehearsal."""
    return Api.from_kubeconfig(Path(_CHOSEN) if _CHOSEN else request.getfixturevalue("kubeconfig"))


@pytest.fixture(scope="module")
def place(whole: Api) -> Iterator[Place]:
    """A namespace on the whole cluster with what the recorded workloads need."""
    with furnished(whole) as made:
        yield made
