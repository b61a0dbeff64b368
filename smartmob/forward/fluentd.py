"""
Fluentd's forward protocol, version 1, as far as it takes to give it lines
(U{https://github.com/fluent/fluentd/wiki/Forward-Protocol-Specification-v1}).

Its handshake with a shared key is not spoken.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Container, Sequence
from hashlib import blake2b

from attrs import frozen

from smartmob.forward.packing import binary_head, packed
from smartmob.forward.queue import Entry
from smartmob.forward.streams import Message

_HELO = (b"\xa4HELO", b"\xd9\x04HELO", b"\xc4\x04HELO")
"""What it begins with where it wants to know who we are, a text in each of its forms."""

_RECEIPT = re.compile(rb"[A-Za-z0-9+/]{22}==")
"""128 bits in base64: what stands before a text in MessagePack can't be a part of that."""


@frozen
class PackedForward:
    """
    A message for each tag of a batch.

    @ivar ack: It is to be answered.
    """

    ack: bool

    def messages(self, batch: Sequence[Entry]) -> list[Message]:
        of_tag: dict[str, list[Entry]] = {}
        for entry in batch:
            of_tag.setdefault(entry.key, []).append(entry)
        return [self._message(tag, entries) for tag, entries in of_tag.items()]

    def receipts(self, answer: bytes) -> Container[bytes]:
        return frozenset(_RECEIPT.findall(answer))

    def objection(self, answer: bytes) -> str:
        if answer[1:].startswith(_HELO):
            return "asks for a shared key, which is not supported"
        return ""

    def _message(self, tag: str, entries: list[Entry]) -> Message:
        data = b"".join(entry.data for entry in entries)
        option: dict[str, object] = {"size": sum(entry.lines for entry in entries)}
        receipt = b""
        if self.ack:
            # Of the lines themselves: what is sent again is known by it.  It is a text
            # (base64 of 128 bits), so that it is found in an answer as it is.
            receipt = b64encode(blake2b(packed(tag) + data, digest_size=16).digest())
            option["chunk"] = receipt.decode("ascii")
        parts = (b"\x93", packed(tag), binary_head(len(data)), data, packed(option))
        return Message(b"".join(parts), entries, receipt)
