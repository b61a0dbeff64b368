"""
What processes of types were like of which an app has none, for now.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from smartmob.converter import structure
from smartmob.documents import CreateRequest
from smartmob.state.record import request_document
from smartmob.state.versioned import damage_told, loaded

SCHEMA = 1
"""Of what is written."""


def encoded_models(models: Iterable[CreateRequest]) -> bytes:
    """
    Those of all apps, as their file has them.
    """
    document = {"schema": SCHEMA, "models": [request_document(each) for each in models]}
    return json.dumps(document, indent=1).encode() + b"\n"


def decoded_models(data: bytes) -> tuple[CreateRequest, ...]:
    """
    What a file has.

    @raise Damaged: It makes no sense.
    @raise Newer: It can't be read.
    """
    with damage_told():
        document = loaded(data, SCHEMA)
        return tuple(structure(each, CreateRequest) for each in document["models"])
