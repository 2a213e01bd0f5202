"""The rehearsal's own small client, on the API server as it is served."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgnb_rehearsal.client import Client
from pgnb_rehearsal.kubeconfig import read_access
from tests.integration.conformance.served import served_api


def test_after_an_answer_that_came_too_late_the_next_one_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served_api(tmp_path) as kubeconfig:
        client = Client(read_access(kubeconfig))
        with monkeypatch.context() as late:
            late.setattr("http.client.HTTPConnection.getresponse", _too_late)
            with pytest.raises(TimeoutError):
                client.get("/api/v1/namespaces/default")
        assert client.get("/api/v1/namespaces/default")["metadata"]["name"] == "default"
        client.close()


def _too_late(_connection: object) -> None:
    raise TimeoutError("The read operation timed out")
