"""
The state machine of a process as a table, made from the machine itself.

C{python -m tests.support.machine} writes it into docs/supervision.rst.
"""

from __future__ import annotations

from collections import defaultdict

from smartmob.inputs import Supervision
from smartmob.supervision import supervise
from tests.support.papers import TREE

PAGE = TREE / "docs" / "supervision.rst"
MARK = ".. made from the machine by tests/support/machine.py"


def transitions() -> dict[str, dict[str, list[str]]]:
    """
    By state, and then by the state that follows: the inputs that lead there.
    """
    # Automat shows its transitions to graphviz only, which would have to be installed.
    automaton = supervise.__automat_automaton__
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for state, name, after, *_ in automaton.allTransitions():
        found[state.name][after.name].append(name)
    return found


def table() -> str:
    """
    The table, as reStructuredText.
    """
    inputs = [name for name in vars(Supervision) if name.lstrip("_").isidentifier()]
    rows = [("In", "upon", "to")]
    for state, followed in sorted(transitions().items()):
        shown = f"``{state}``"
        for after, names in sorted(followed.items()):
            upon = ", ".join(f"``{name}``" for name in sorted(names, key=inputs.index))
            rows.append((shown, upon, "itself" if after == state else f"``{after}``"))
            shown = "\\"
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    rule = "  ".join("=" * width for width in widths)
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([rule, lines[0], rule, *lines[1:], rule])


def with_table(text: str) -> str:
    """
    The page with the table as it should be; what stands before it is kept.
    """
    return f"{text.partition(MARK)[0]}{MARK}\n\n{table()}\n"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
