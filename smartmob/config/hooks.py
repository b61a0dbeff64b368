"""
Who is told of what happens: the C{[webhooks]} section.
"""

from __future__ import annotations

from collections.abc import Mapping

from smartmob import plain_files
from smartmob.checks import SOURCE_URL_LENGTH
from smartmob.config.configuration import Hook, Hooks
from smartmob.config.findings import Findings, hint, near
from smartmob.config.ini import Section
from smartmob.config.keys import Keys
from smartmob.config.secret_files import secret_file
from smartmob.config.values import wrong
from smartmob.events import Topic
from smartmob.place import BadPlace
from smartmob.target import Target
from smartmob.topics import BadTopic, parse

SECTION = "webhooks"

KEYS = ("secret", "secret_file")
"""Its keys that are no topics."""

_MOST_SECRET = 64 << 10
_ANY = ("*", "**")


def hooks(section: Section, environ: Mapping[str, str], findings: Findings) -> Hooks:
    """
    What the section says.

    @param environ: Where C{CREDENTIALS_DIRECTORY} may be.
    """
    keys = Keys(section, findings)
    found: dict[Hook, None] = {}
    for topic in section.entries:
        if topic in KEYS:
            continue
        try:
            parse([topic])
        except BadTopic as error:
            keys.wrong(topic, str(error))
        else:
            why = never(topic)
            if why:
                keys.odd(topic, why)
        for url in keys.get(topic, urls, ()):
            found[Hook(topic=topic, url=url)] = None
    return Hooks(hooks=tuple(found), secret=_secret(keys, environ))


def urls(text: str) -> tuple[str, ...]:
    """
    URLs with white space in between.  None of them is said in what is wrong, since it may
    have a password.
    """
    said = tuple(text.split())
    for number, url in enumerate(said, 1):
        which = "it" if len(said) == 1 else f"URL {number} of {len(said)}"
        try:
            Target.parse(url)
        except BadPlace as error:
            raise wrong(f"{which} {error}") from None
        if len(url) > SOURCE_URL_LENGTH:
            raise wrong(f"{which} must not have more than {SOURCE_URL_LENGTH} characters")
    return said


def never(topic: str) -> str:
    """
    Why no event can have a name that fits, a sentence; empty: one can.
    """
    parts = topic.split(".")
    topics = [each.value for each in Topic]
    if parse([topic]).want(topics) or (len(parts) == 1 and topic in _ANY):
        return ""
    if len(parts) == 1:
        meant = near(topic, topics)
    else:
        first, *middle, last = parts
        enough = bool(middle) or "**" in (first, last)
        if enough and first in ("proc", *_ANY) and last in (*topics, *_ANY):
            return ""
        meant = _meant(first, middle, last, topics)
    return f"no event is called so{hint(meant)}"


def _meant(first: str, middle: list[str], last: str, topics: list[str]) -> str:
    """
    What may have been meant: C{proc.NAME.TOPIC}.
    """
    if first not in _ANY and near(first, ["proc"]) is None:
        middle = [first, *middle]
    end = last if last in _ANY else near(last, topics)
    if end is None:
        middle, end = [*middle, last], "*"
    return ".".join(["proc", *(middle or ["*"]), end])


def _secret(keys: Keys, environ: Mapping[str, str]) -> bytes | None:
    entry = keys.entry("secret")
    path = keys.path("secret_file")
    if entry is not None and path is not None:
        keys.wrong("secret_file", "can't be beside secret")
    if path is None:
        return None if entry is None else entry.value.encode()
    try:
        secret = secret_file(path, _MOST_SECRET, environ).strip()
    except (OSError, ValueError) as error:
        keys.wrong("secret_file", f"{path} {plain_files.why(error)}")
        return None
    if not secret:
        keys.wrong("secret_file", f"{path} is empty")
    return secret
