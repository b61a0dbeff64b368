"""
The modules of smartmob, and which of them imports which.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache

from tests.support.papers import TREE


@cache
def modules() -> dict[str, set[str]]:
    """
    The modules that each module imports as it is imported itself: what stands in
    a function, or is there for type checkers only, does not count.
    """
    found = {}
    for path in sorted((TREE / "smartmob").rglob("*.py")):
        parts = path.relative_to(TREE).with_suffix("").parts
        if "hello" not in parts:
            found[".".join(parts).removesuffix(".__init__")] = ast.parse(path.read_text())
    return {
        name: {each for each in _imported(tree) if each in found} - {name}
        for name, tree in found.items()
    }


def room_of(module: str) -> str:
    """
    The module or package directly below smartmob that a module is in.
    """
    return module.split(".")[1] if "." in module else ""


def _imported(part: ast.AST) -> Iterator[str]:
    """
    The names of what is imported; of C{from a import b} both C{a} and C{a.b}.
    """
    for node in ast.iter_child_nodes(part):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                continue
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                continue
            case ast.ImportFrom(module=str(name), names=names):
                yield name
                yield from (f"{name}.{each.name}" for each in names)
            case ast.Import(names=names):
                yield from (each.name for each in names)
            case _:
                yield from _imported(node)
