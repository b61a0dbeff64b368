"""
Texts with placeholders for a process and a stream of it: C{logs/{slug}.log}.
"""

from __future__ import annotations

import re

from attrs import field, frozen

NAMES = ("app", "node", "process_type", "slug", "stream")
"""What may stand between braces."""

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


class BadPlaceholder(ValueError):
    """
    There is no such thing; the message ends a sentence that begins with the text.
    """


@frozen
class Whose:
    """
    Of which process lines are.
    """

    app: str
    node: str
    process_type: str
    slug: str


@frozen
class Pattern:
    """
    A text with placeholders.

    @ivar text: As an operator wrote it.
    """

    text: str
    _parts: tuple[str, ...] = field(eq=False, repr=False)

    @classmethod
    def of(cls, text: str) -> Pattern:
        """
        Read one.

        @raise BadPlaceholder: It has one that nothing is known about.
        """
        parts = _PLACEHOLDER.split(text)
        for name in parts[1::2]:
            if name not in NAMES:
                known = ", ".join(f"{{{each}}}" for each in NAMES)
                raise BadPlaceholder(f"has {{{name[:100]}}}, and there are {known}")
        for brace, other in ("{}", "}{"):
            if any(brace in part for part in parts[::2]):
                raise BadPlaceholder(f"has a {brace} without a {other}")
        return cls(text, tuple(parts))

    @property
    def ends_open(self) -> bool:
        """
        Whether it ends with a placeholder.
        """
        return len(self._parts) > 1 and not self._parts[-1]

    def filled(self, whose: Whose, stream: str) -> str:
        """
        The text for lines of a stream of a process.
        """
        parts = list(self._parts)
        for at in range(1, len(parts), 2):
            name = parts[at]
            parts[at] = _safe(stream if name == "stream" else getattr(whose, name))
        return "".join(parts)


def _safe(value: str) -> str:
    """
    A value as a part of the name of a file.  Names of apps, nodes and streams are that as
    they are; whatever they may become, none leads to another folder.
    """
    value = _UNSAFE.sub("_", value)
    return f"_{value[1:]}" if value.startswith(".") else value
