"""One stage for the tests of fleets."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from fleet_stage import BUCKET, IMAGE, KEYS, STORE_IMAGE, Stage, store_image

from pgnb_rehearsal.client import Client
from pgnb_rehearsal.kubeconfig import read_access
from pgnb_rehearsal.lifecycle import Rehearsal
from tests.image import assemble


@pytest.fixture(scope="module")
def stage(
    new_rehearsal: Callable[..., Rehearsal], tmp_path_factory: pytest.TempPathFactory, kubectl_path: str
) -> Iterator[Stage]:
    """Four databases, the account and rights of a fleet, and an object store with a bucket."""
    images = {
        IMAGE: assemble(tmp_path_factory.mktemp("image")),
        STORE_IMAGE: store_image(tmp_path_factory.mktemp("store")),
    }
    running = new_rehearsal(sample=False, images=images)
    api = Client(read_access(running.kubeconfig))
    made = Stage(running, api, kubectl_path, tmp_path_factory.mktemp("fleet"))
    made.furnish()
    with made.store(BUCKET):
        _make_bucket()
    yield made
    api.close()


def _make_bucket() -> None:
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    s3fs.S3FileSystem(key=KEYS["AWS_ACCESS_KEY_ID"], secret=KEYS["AWS_SECRET_ACCESS_KEY"]).mkdir(BUCKET)
