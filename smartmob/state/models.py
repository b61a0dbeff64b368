"""
What processes of types were like of which an app has none, for now.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from smartmob.converter import InvalidDocument, structure
from smartmob.documents import CreateRequest
from smartmob.state.record import UNREADABLE, Damaged, Newer, request_document

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
    try:
        document = json.loads(data)
        if document["schema"] > SCHEMA:
            raise Newer("was written by a later release")
        return tuple(structure(each, CreateRequest) for each in document["models"])
    except Newer:
        raise
    except InvalidDocument as error:
        names = ", ".join(f"{name} {why}" for name, why in error.errors[:3])
        raise Damaged(f"has a request that can't be used: {names}") from None
    except UNREADABLE as error:
        raise Damaged(f"is damaged: {type(error).__name__}: {error}") from None
