"""YAML as a file of parameters needs it: plain data, so that no small file becomes a large value."""

from __future__ import annotations

from typing import Any

import yaml

from pgnb.core.errors import ParameterError

DEEPEST = 20
"""Levels of lists and mappings; the deepest parameter has four."""


class _PlainLoader(yaml.SafeLoader):
    """No aliases (they multiply), no deep nesting (it ends in a RecursionError), no key twice."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise self._refused("an alias (*name) is not taken: write the value out")
        if self.depth >= DEEPEST:
            raise self._refused(f"nested deeper than {DEEPEST} levels")
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for name in names:
            if names.count(name) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{name!r} is given twice", node.start_mark
                )
        return super().construct_mapping(node, deep)

    def _refused(self, why: str) -> yaml.YAMLError:
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        return yaml.composer.ComposerError(None, None, why, mark)


def load_plain(text: str, where: str) -> Any:
    """Return what a text says in YAML. `where` names it in errors.

    Raises ParameterError for what is no YAML, has an alias, a key twice, or more than twenty levels.
    """
    try:
        return yaml.load(text, _PlainLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise ParameterError(
            f"{where}: is not YAML that parameters can be read from",
            found=" ".join(str(error).split()) or type(error).__name__,
            remedy="Write plain `name: value` lines, as in params/production.example.yaml.",
        ) from error
