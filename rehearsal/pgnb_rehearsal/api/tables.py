"""Tables: the columns that `kubectl get` shows, computed by the server (meta/v1 Table)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pgnb_rehearsal.api.columns import COLUMNS, DEFAULT_COLUMNS
from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.api.resources import Resource


def table(
    resource: Resource, objects: list[Object], metadata: Mapping[str, Any], *, headed: bool = True
) -> Object:
    """Some objects as a Table; without `headed` no column definitions (later events of a watch)."""
    columns = COLUMNS.get(resource.plural, DEFAULT_COLUMNS)
    definitions = [
        {
            "name": column.name,
            "type": "string",
            "format": "name" if column.name == "Name" else "",
            "description": column.description,
            "priority": column.priority,
        }
        for column in columns
    ]
    rows = [{"cells": [column.cell(obj) for column in columns], "object": _metadata(obj)} for obj in objects]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": dict(metadata),
        "columnDefinitions": definitions if headed else None,
        "rows": rows,
    }


def _metadata(obj: Object) -> Object:
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}
