"""
How many instances there should be of what the configuration file says otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from attrs import asdict, frozen

from smartmob.checks import MOST_PROCESSES
from smartmob.state.versioned import Senseless, damage_told, loaded, shown

SCHEMA = 1
"""Of what is written."""


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
    return json.dumps({"schema": SCHEMA, "scaled": document}, indent=1).encode() + b"\n"


def decoded_sections(data: bytes) -> dict[str, Scaled]:
    """
    What a file has.

    @raise Damaged: It makes no sense.
    @raise Newer: It can't be read.
    """
    with damage_told():
        document = loaded(data, SCHEMA)
        return {
            str(name): Scaled(_number(scaled["numprocesses"]), _number(scaled["wanted"]))
            for name, scaled in document["scaled"].items()
        }


def _number(value: object) -> int:
    if not isinstance(value, int) or not 0 <= value <= MOST_PROCESSES:
        raise Senseless(f"{shown(value)} is no number of processes")
    return value
