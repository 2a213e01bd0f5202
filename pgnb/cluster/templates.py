"""Manifests from a template of pgnb or of the operator, filled with the facts of the existing server."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import yaml
from jinja2.sandbox import SandboxedEnvironment

from pgnb.core.errors import ParameterError
from pgnb.core.texts import read_text

Manifest = dict[str, Any]


def rendered(file: str, own: str, values: Mapping[str, Any]) -> list[Manifest]:
    """Return the manifests of the operator's `file`, or of pgnb's `own` if that is empty, with `values`.

    A template is a text of the operator, not a program: it can use nothing but the values. Raises
    ParameterError if the file does not exist, or does not contain manifests.
    """
    text = _template(file, own)
    environment = SandboxedEnvironment(undefined=jinja2.StrictUndefined, autoescape=False)
    try:
        found = list(yaml.safe_load_all(environment.from_string(text).render(values)))
    except Exception as error:  # An expression of a template can fail in any way.
        raise ParameterError(
            f"the manifest {file or own} cannot be read",
            found=" ".join(str(error).split()) or type(error).__name__,
            remedy=f"The values in double braces are {', '.join(sorted(values))}.",
        ) from None
    for document in found:
        _check(document, file or own)
    return [document for document in found if document]


def _check(document: object, name: str) -> None:
    if document and not (isinstance(document, Mapping) and document.get("kind") and _name(document)):
        raise ParameterError(
            f"the manifest {name} contains something else than objects",
            found=f"{type(document).__name__}: {document}"[:200],
            remedy="Each of its documents needs apiVersion, kind and metadata.name.",
        )


def _name(document: Mapping[str, Any]) -> object:
    metadata = document.get("metadata")
    return metadata.get("name") if isinstance(metadata, Mapping) else None


def _template(file: str, own: str) -> str:
    if not file:
        return (files("pgnb") / "manifests" / own).read_text(encoding="utf-8")
    path = Path(file).expanduser()
    if not path.is_file():
        raise ParameterError(
            f"the manifest {file} does not exist",
            found=f"at {path.absolute()}",
            remedy=f"Copy pgnb/manifests/{own} and name the copy, or leave the parameter empty.",
        )
    return read_text(path)
