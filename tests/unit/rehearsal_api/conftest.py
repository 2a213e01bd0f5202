"""A store with a namespace, as a cluster has it after its start."""

from __future__ import annotations

import pytest

from pgnb_rehearsal.api.bootstrap import bootstrap
from pgnb_rehearsal.api.store import Store


@pytest.fixture
def store() -> Store:
    """The namespaces and roles that every cluster has, and the service account of `default`."""
    store = Store()
    bootstrap(store)
    store.create("serviceaccounts", {"metadata": {"name": "default", "namespace": "default"}})
    return store
