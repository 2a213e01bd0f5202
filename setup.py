"""Puts the notebooks and their parameter files into the wheel, beside the package that runs them.

Kernels of the environment that it is installed in tell of errors only: ipykernel would warn in every run of
papermill that it is not encrypted on the loopback interface, where nobody but root can listen.

Everything else about the build stands in pyproject.toml.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

_CARRIED = {"notebooks": "*.ipynb", "params": "*.yaml"}
"""Folder of the repository, and what of it is carried."""


class BuildWithNotebooks(build_py):
    """Copies them into `pgnb/`; an editable installation reads them where they are."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            for name, pattern in _CARRIED.items():
                self._carry(name, pattern)

    def _carry(self, name: str, pattern: str) -> None:
        target = Path(self.build_lib, "pgnb", name)
        target.mkdir(parents=True, exist_ok=True)
        for path in sorted(Path(name).glob(pattern)):
            shutil.copyfile(path, target / path.name)


setup(
    cmdclass={"build_py": BuildWithNotebooks},
    data_files=[("etc/ipython", ["etc/ipython/ipython_kernel_config.json"])],
)
