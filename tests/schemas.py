"""Objects held against the JSON schemas of Kubernetes, strictly: an unknown field is a fault.

By kubernetes-validate, in the environment that Airflow has: the Kubernetes client loads it where it is
installed, and then each process that uses the client starts three seconds later.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.containerfile import ROOT

ENVIRONMENT = Path(os.environ.get("PGNB_AIRFLOW") or ROOT / ".venv-airflow")
"""`make test-long` makes it."""
OLDEST = "1.29.0"
"""The oldest Kubernetes that fleets run on."""
_VALIDATE = """
import json, sys
import kubernetes_validate as schemas
versions, objects = [sys.argv[1], schemas.latest_version()], json.load(sys.stdin)
for one in objects:
    for version in versions:
        try:
            schemas.validate(one, version, strict=True)
        except schemas.ValidationError as error:
            print(f"{one['kind']} {one['metadata']['name']}, {version}: {error.message}")
"""


def faults(objects: Iterable[Mapping[str, Any]]) -> str:
    """What the schemas of the oldest and the newest Kubernetes find; "" for nothing."""
    python = ENVIRONMENT / "bin/python"
    assert python.exists(), f"no {ENVIRONMENT}: make {ENVIRONMENT.name}/.installed"
    command = [str(python), "-c", _VALIDATE, OLDEST]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        command,
        input=json.dumps(list(objects)),
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
