"""
Downloads that are under way, each for all who ask for the same URL meanwhile.

The file of one is there until the last of them, or an unpacker, needs it no longer.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import count
from typing import Any, Protocol

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


class Downloads:
    """
    The downloads of an agent.
    """

    def __init__(
        self,
        reactor: Any,
        disk: Worker,
        layout: Layout,
        limits: SourceLimits,
        archives: Archives,
        rules: Callable[[], SourceRules],
        fetcher: IFetch | None,
    ) -> None:
        """
        @param archives: What needs no download: clients have sent it.
        @param rules: Says where sources may come from by now.
        @param fetcher: Downloads; C{None}: by HTTP.
        """
        self._reactor = reactor
        self._disk = disk
        self._layout = layout
        self._limits = limits
        self._archives = archives
        self._rules = rules
        self._fetcher = fetcher
        self._numbers = count(1)
        self._under_way: dict[str, Download] = {}

    def of(self, url: str, request_id: str) -> Download:
        """
        The download of a URL: the one that is under way, or a new one.  Whoever needs it is
        one of its holders until L{let_go}.
        """
        download = self._under_way.get(url)
        if download is None or download.work.ended or not download.work.open:
            path = os.path.join(self._layout.downloads, str(next(self._numbers)))
            fetching = self._fetching() if sha256_of(url) is None else self._archives
            fetched = Deferred.fromCoroutine(fetching.fetch(url, path, request_id))
            download = Download(path, Shared(fetched, self._reactor))
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
        if self._fetcher is None:
            # Its imports cost a start 20 ms that the agent does not have before.
            from smartmob.source.fetch import Fetcher

            self._fetcher = Fetcher(self._reactor, self._disk, self._limits, rules=self._rules)
        return self._fetcher

    def _ended(self, _: None, url: str, download: Download) -> None:
        if self._under_way.get(url) is download:
            del self._under_way[url]

    async def _clear(self, download: Download) -> None:
        """
        Remove the file of a download.
        """
        await download.work.when_ended()
        await self._layout.remove(download.path)
