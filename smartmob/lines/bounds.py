"""
How much is kept and queued, at most.
"""

from __future__ import annotations

from attrs import frozen

MIB = 1 << 20


@frozen(kw_only=True)
class Bounds:
    """
    The bounds on lines and on those who read them; sizes are in bytes.

    @ivar kept_lines: Lines kept of each process for later readers ...
    @ivar kept_bytes: ... and what they may weigh, line ends not counted.
    @ivar kept_in_all: What is kept of all processes together, overhead included.
    @ivar queue: What may wait for one reader.
    @ivar queues_in_all: What may wait for all readers together.
    @ivar blocking: What may wait for one reader before a program whose output
        blocks has to wait for it.
    @ivar beyond: What of its output, as it was written, is due to each of them though it
        has to wait: what was read with that which made it wait, and what is in its pipes
        when it ends, twice where others had them open.  It counts to neither C{queue} nor
        C{queues_in_all}.
    @ivar readers: So many at the same time.
    """

    kept_lines: int = 1000
    kept_bytes: int = 1 * MIB
    kept_in_all: int = 256 * MIB
    queue: int = 8 * MIB
    queues_in_all: int = 256 * MIB
    blocking: int = 128 * 1024
    beyond: int = 512 * 1024
    readers: int = 1000
