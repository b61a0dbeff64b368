"""
Downloads that are under way, each for all who ask for the same URL meanwhile.

The file of one is there until the last of them, or an unpacker, needs it no longer.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import count
from typing import Any, Protocol

from attrs import define, field
from twisted.internet.defer import Deferred

from smartmob.source.archives import Archives, sha256_of
from smartmob.source.disk import Worker
from smartmob.source.layout import Layout
from smartmob.source.limits import SourceLimits
from smartmob.source.release import Download
from smartmob.source.rules import SourceRules
from smartmob.source.shared import Shared


class IFetch(Protocol):
    """
    What downloads, see L{Fetcher<smartmob.source.fetch.Fetcher>}.
    """

    async def fetch(self, url: str, path: str, request_id: str) -> str:
        """
        Download to C{path}.
        """


@define(eq=False, repr=False)
class Downloads:
    """
    The downloads of an agent.

    @ivar archives: What needs no download: clients have sent it.
    @ivar rules: Says where sources may come from by now.
    @ivar fetcher: Downloads; C{None}: by HTTP.
    """

    reactor: Any
    disk: Worker
    layout: Layout
    limits: SourceLimits
    archives: Archives
    rules: Callable[[], SourceRules]
    fetcher: IFetch | None
    _numbers: count[int] = field(factory=lambda: count(1))
    _under_way: dict[str, Download] = field(factory=dict)

    def of(self, url: str, request_id: str) -> Download:
        """
        The download of a URL: the one that is under way, or a new one.  Whoever needs it is
        one of its holders until L{let_go}.
        """
        download = self._under_way.get(url)
        if download is None or download.work.ended or not download.work.open:
            path = os.path.join(self.layout.downloads, str(next(self._numbers)))
            fetching = self._fetching() if sha256_of(url) is None else self.archives
            fetched = Deferred.fromCoroutine(fetching.fetch(url, path, request_id))
            download = Download(path, Shared(fetched, self.reactor))
            if not download.work.ended:
                self._under_way[url] = download
                download.work.when_ended().addCallback(self._ended, url, download)
        return download

    async def let_go(self, download: Download) -> None:
        """
        C{download} is needed by one less; the last one has its file removed, which is
        done even if he does not wait for it.
        """
        download.holders -= 1
        if not download.holders:
            await Shared(Deferred.fromCoroutine(self._clear(download))).when_ended()

    def when_ended(self) -> list[Deferred[None]]:
        """
        Fire when those that are under way are over, whatever comes of them.
        """
        return [download.work.when_ended() for download in self._under_way.values()]

    def _fetching(self) -> IFetch:
        if self.fetcher is None:
            # Its imports cost a start 20 ms that the agent does not have before.
            from smartmob.source.fetch import Fetcher

            self.fetcher = Fetcher(self.reactor, self.disk, self.limits, rules=self.rules)
        return self.fetcher

    def _ended(self, _: None, url: str, download: Download) -> None:
        if self._under_way.get(url) is download:
            del self._under_way[url]

    async def _clear(self, download: Download) -> None:
        """
        Remove the file of a download.
        """
        await download.work.when_ended()
        await self.layout.remove(download.path)
