"""
How many instances there should be of what the configuration file says otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from attrs import asdict, frozen


@frozen
class Scaled:
    """
    What somebody made of a section.

    @ivar numprocesses: What the file said then: when it says something else, that counts.
    @ivar wanted: What somebody wants instead.
    """

    numprocesses: int
    wanted: int


def encoded_sections(sections: Mapping[str, Scaled]) -> bytes:
    """
    Those of all sections, by their names, as their file has them.
    """
    document = {name: asdict(scaled) for name, scaled in sections.items()}
    return json.dumps({"schema": 1, "scaled": document}, indent=1).encode() + b"\n"


def decoded_sections(data: bytes) -> dict[str, Scaled]:
    """
    What a file has.

    @raise ValueError: It makes no sense; the message ends a sentence that begins with its
        name.
    """
    try:
        return {
            str(name): Scaled(int(scaled["numprocesses"]), int(scaled["wanted"]))
            for name, scaled in json.loads(data)["scaled"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"is damaged: {error}") from None
