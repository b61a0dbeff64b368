"""
The tokens that clients show, and what each of them permits: a file of them, one a line,

    C{TOKEN|sha256:HEX [SCOPE [APP-GLOB [NAME]]]}

with comments from C{#} on.  No token is kept, only its digest: so none is in a traceback,
or in what is written when the agent crashes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from hmac import compare_digest
from secrets import token_urlsafe

from attrs import field, frozen

from smartmob.permit import ALL_APPS, SCOPES, Permit, Scope

SHORTEST = 20
"""Characters of a token, at least."""

LONGEST = 1024
"""... and at most: more would be no secret, but a burden."""

MOST_BYTES = 1 << 20
"""Of a file of them."""

PREFIX = "sha256:"

_TOKEN = re.compile(rf"[!-~]{{{SHORTEST},{LONGEST}}}")
_HEX = re.compile(r"[0-9A-Fa-f]{64}")
_GLOB = re.compile(r"[A-Za-z0-9_*?\[\]!-]{1,200}")
_NAME = re.compile(r"[A-Za-z0-9._@:+-]{1,100}")
_COMMENT = re.compile(r"(?:^|\s)#.*")
_WORDS = 4
"""Of a line, at most."""


class BadTokens(ValueError):
    """
    What should be tokens can't be used.

    @ivar mistakes: Lines, from 1, and what is wrong there, in words that say nothing of
        what may be a secret.
    """

    def __init__(self, mistakes: tuple[tuple[int, str], ...]) -> None:
        super().__init__("; ".join(f"line {line} {why}" for line, why in mistakes))
        self.mistakes = mistakes


@frozen(eq=False, repr=False)
class Tokens:
    """
    Who may do what.

    @ivar _permits: By the digests of their tokens.
    """

    _permits: Mapping[bytes, Permit] = field(factory=dict)

    def __len__(self) -> int:
        """
        How many there are.
        """
        return len(self._permits)

    def permit(self, token: bytes) -> Permit | None:
        """
        What a token permits; C{None}: it is none of these.

        All are compared, and each in constant time.  What is compared are digests, which
        nobody can choose byte by byte.
        """
        shown = sha256(token).digest()
        found = None
        for digest, permit in self._permits.items():
            if compare_digest(digest, shown):
                found = permit
        return found

    def has(self, permit: Permit) -> bool:
        """
        Whether somebody may still do that.
        """
        return self._permits.get(permit.key) == permit


def parse(text: str) -> Tokens:
    """
    Read a file of tokens.

    @raise BadTokens: With all that is wrong.
    """
    permits: dict[bytes, Permit] = {}
    lines: dict[bytes, int] = {}
    mistakes: list[tuple[int, str]] = []
    # Not splitlines, for which more is an end of a line than editors show.
    for number, line in enumerate(text.split("\n"), 1):
        words = _COMMENT.sub("", line).split()
        if not words:
            continue
        try:
            permit = _permit(words)
        except ValueError as error:
            mistakes.append((number, str(error)))
            continue
        if permit.key in lines:
            mistakes.append((number, f"has the token of line {lines[permit.key]} again"))
        lines[permit.key] = number
        permits[permit.key] = permit
    if mistakes:
        raise BadTokens(tuple(mistakes))
    return Tokens(permits)


def written(
    secret: str, scope: Scope = Scope.ADMIN, apps: str = ALL_APPS, name: str = ""
) -> str:
    """
    A line of a file, without its end.

    @param secret: A token, or what L{hashed} says of one.
    @raise ValueError: There can't be such a line; the message ends a sentence about it.
    """
    if not apps:  # all of them is what it would mean in a file
        raise ValueError("has no app")
    _permit((secret, scope.word, apps, name))
    words = [secret, scope.word]
    if name or apps != ALL_APPS:
        words += [apps, name]
    return " ".join(words).rstrip()


def new_token() -> str:
    """
    A token that nobody guesses: 256 bits by chance, of characters that need no quotes, and
    none that looks like an option.
    """
    while (token := token_urlsafe(32)).startswith("-"):
        pass
    return token


def hashed(token: str) -> str:
    """
    What may stand for a token in a file.  Tokens are not words that people choose, so a
    plain digest, which is quick to compute, is enough.

    @raise ValueError: It can't be one; the message ends a sentence about it.
    """
    if token.startswith(PREFIX):
        raise ValueError("is a digest already")
    if not _TOKEN.fullmatch(token):
        raise ValueError(_why_not(token))
    return PREFIX + sha256(token.encode("ascii")).hexdigest()


def _permit(words: Sequence[str]) -> Permit:
    if len(words) > _WORDS:
        raise ValueError("has more than TOKEN SCOPE APP-GLOB NAME")
    secret, scope, apps, name = (*words, "", "", "")[:_WORDS]
    if secret.startswith(PREFIX):
        digits = secret.removeprefix(PREFIX)
        if not _HEX.fullmatch(digits):
            raise ValueError(f"has a {PREFIX} without 64 hexadecimal digits behind it")
        key = bytes.fromhex(digits)
    else:
        if not _TOKEN.fullmatch(secret):
            raise ValueError(f"has a token that {_why_not(secret)}")
        key = sha256(secret.encode("ascii")).digest()
    if scope and scope not in SCOPES:
        raise ValueError(f"has no scope behind its token: that is {', '.join(SCOPES)}")
    if apps and not _GLOB.fullmatch(apps):
        raise ValueError("has what no app can match behind its scope, such as web-*")
    if name and not _NAME.fullmatch(name):
        raise ValueError("has a name of other characters than A-Z a-z 0-9 . _ @ : + -")
    return Permit(
        scope=SCOPES.get(scope, Scope.ADMIN), apps=apps or ALL_APPS, name=name, key=key
    )


def _why_not(secret: str) -> str:
    if len(secret) < SHORTEST:
        return f"is shorter than {SHORTEST} characters: smartmob token new makes a good one"
    if len(secret) > LONGEST:
        return f"is longer than {LONGEST} characters"
    return "has other characters than those of ASCII that can be seen"
