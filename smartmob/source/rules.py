"""
Where sources may come from.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

from smartmob.config.configuration import Settings
from smartmob.place import BadPlace, Place
from smartmob.refusals import SourceNotAllowed
from smartmob.source.archives import SCHEME, sha256_of

ARCHIVES = f"{SCHEME}:"
"""What C{allowed_sources} says for archives that clients send."""


@frozen(kw_only=True)
class SourceRules:
    """
    Where sources may come from.

    Archives that clients send are code from wherever these clients have it: where
    C{allowed_sources} says anything at all, it has to say that they are allowed.

    @ivar places: At or below one of these; C{None}: from anywhere.
    @ivar archives: Archives that clients have sent may be used.
    @ivar private: Addresses of this machine and its network may be connected to.
    """

    places: tuple[Place, ...] | None = None
    archives: bool = True
    private: bool = True

    @classmethod
    def of(cls, settings: Settings) -> SourceRules:
        """
        What is configured.

        @raise BadPlace: One of C{allowed_sources} is no place.
        """
        allowed = settings.allowed_sources
        if allowed is None:
            return cls(private=settings.private_sources)
        return cls(
            places=tuple(places(url for url in allowed if not _is_archives(url))),
            archives=any(map(_is_archives, allowed)),
            private=settings.private_sources,
        )

    def check(self, url: str) -> None:
        """
        Look at the URL of a source.

        @raise SourceNotAllowed: It is not where sources may come from.
        """
        if sha256_of(url) is not None:
            if not self.archives:
                raise SourceNotAllowed(
                    "archives that are sent may not be run here: allowed_sources does not "
                    f"have {ARCHIVES}"
                )
            return
        if self.places is None:
            return
        try:
            allowed = self.allows(Place.parse(url))
        except BadPlace:
            allowed = False  # it lies nowhere
        if not allowed:
            raise SourceNotAllowed(
                "sources may not come from there: it lies below none of allowed_sources"
            )

    def allows(self, place: Place) -> bool:
        """
        Whether something at a place may be a source.
        """
        return self.places is None or any(allowed.holds(place) for allowed in self.places)


def places(urls: Iterable[str]) -> list[Place]:
    """
    The places that URLs name.

    @raise BadPlace: One names none.
    """
    found = []
    for url in urls:
        try:
            found.append(Place.parse(url))
        except BadPlace as error:
            raise BadPlace(f"{url} {error}") from None
    return found


def _is_archives(url: str) -> bool:
    return url.lower() == ARCHIVES
