"""
How much a source may cost.
"""

from __future__ import annotations

from attrs import frozen

from smartmob.source.reserve import Reserve


@frozen(kw_only=True)
class SourceLimits:
    """
    Bounds on sources.

    @ivar download_bytes: Size of an archive.
    @ivar unpacked_bytes: Size of all its files.
    @ivar entries: How many files, folders and links it may have.
    @ivar unpack_seconds: How long unpacking may take.
    @ivar unpack_memory_bytes: Address space of the unpacker.
    @ivar idle_seconds: How long a server may send nothing.
    @ivar answer_seconds: How long it may take until it has begun to answer: to find,
        to connect, to send the head of its response.
    @ivar head_bytes: Size of that head.
    @ivar redirects: How many may be followed.
    @ivar download_seconds: How long the body of an answer may take.
    @ivar downloads: How many sources may be read from one server at the same time; the
        others wait.
    @ivar downloads_in_all: How many from all servers.
    @ivar archives: How many archives that clients sent are kept.
    @ivar archives_bytes: Size of all of them.
    @ivar archives_of_one: How many may be on their way from one sender.
    @ivar free_bytes: How much of the disk stays free.
    @ivar free_percent: The same, in hundredths of it: the less of both counts.
    """

    download_bytes: int = 512 << 20
    unpacked_bytes: int = 2 << 30
    entries: int = 100_000
    unpack_seconds: float = 60.0
    unpack_memory_bytes: int = 768 << 20
    idle_seconds: float = 30.0
    answer_seconds: float = 60.0
    head_bytes: int = 64 << 10
    redirects: int = 5
    download_seconds: float = 3600.0
    downloads: int = 32
    downloads_in_all: int = 64
    archives: int = 64
    archives_bytes: int = 2 << 30
    archives_of_one: int = 16
    free_bytes: int = 256 << 20
    free_percent: int = 5

    @property
    def reserve(self) -> Reserve:
        """
        What of the disk stays free.
        """
        return Reserve(self.free_bytes, self.free_percent)
