"""
How a POSIX shell cuts a command into words, as far as a Procfile needs it.

Source: POSIX.1-2017, Shell Command Language, 2.2 (quoting), 2.3 (token
recognition), 2.4 (reserved words), 2.9.1 (simple commands).
"""

from __future__ import annotations

import re

_PLAIN_COMMAND = re.compile(r"[A-Za-z0-9_@%+=:,./ \t-]+")

# Words that mean something to some /bin/sh (dash, bash as sh, busybox ash, ksh):
# what POSIX has and what they add.  One too many costs a shell, no more.
_WORDS = """
. : alias bg bind break builtin caller case cd chdir command compgen complete
compopt continue coproc declare dirs disown do done echo elif else enable esac
eval exec exit export false fc fg fi for function getopts hash help history if
in jobs kill let local logout mapfile popd print printf pushd pwd read
readarray readonly return select set shift shopt source suspend test then
time times trap true type typeset ulimit umask unalias unset until wait whence
while
"""
_SHELL_WORDS = frozenset(_WORDS.split())

_BLANK = " \t"
_OPERATORS = "&|;<>()"
_CLOSING = {"(": ")", "{": "}"}


class NotClosed(ValueError):
    """
    A quote or an expansion that the text does not close.
    """


def plain_words(command: str) -> tuple[str, ...] | None:
    """
    The argument vector of a command that is nothing but plain words, so that it
    may be executed without a shell; a leading C{exec} is taken off.

    @return: L{None} where a shell might make something else of it: quotes,
        expansions, patterns, operators, assignments, a first word that is a
        builtin or a keyword, anything beyond ASCII.
    """
    if not _PLAIN_COMMAND.fullmatch(command):
        return None
    words = command.split()
    if words[:1] == ["exec"]:
        del words[0]
    if not words:
        return None
    first = words[0]
    # "-c" behind exec is an option to some shells, "%1" is a job to others.
    if first in _SHELL_WORDS or first[0] in "-%" or "=" in first:
        return None
    return tuple(words)


def take_word(text: str, start: int) -> tuple[str, int]:
    """
    The shell word that begins at C{start}, its quotes taken off, and where it ends:
    at white space or an operator.  Expansions (C{$NAME}, C{$(...)}, C{`...`}) are
    kept as they are written, their white space too.

    @raise NotClosed: If a quote or an expansion isn't.
    """
    value: list[str] = []
    at = start
    while at < len(text):
        char = text[at]
        if char in _BLANK or char in _OPERATORS:
            break
        if char == "\\" and at + 1 < len(text):
            value.append(text[at + 1])
            at += 2
        elif char == "'":
            end = _closing(text, at + 1, "'")
            value.append(text[at + 1 : end])
            at = end + 1
        elif char == '"':
            piece, at = _double_quoted(text, at + 1)
            value.append(piece)
        else:
            end = _literal_end(text, at)
            value.append(text[at:end])
            at = end
    return "".join(value), at


def _double_quoted(text: str, at: int) -> tuple[str, int]:
    """
    What stands between double quotes, from behind the first to behind the last.
    A backslash escapes only what would mean something there.
    """
    value: list[str] = []
    while at < len(text):
        char = text[at]
        if char == '"':
            return "".join(value), at + 1
        if char == "\\" and text[at + 1 : at + 2] in ("$", "`", '"', "\\"):
            value.append(text[at + 1])
            at += 2
        else:
            end = _literal_end(text, at)
            value.append(text[at:end])
            at = end
    raise NotClosed('a " is not closed')


def _literal_end(text: str, at: int) -> int:
    """
    Behind the character at C{at}, or behind the expansion that it begins.
    """
    if text[at] == "`":
        return _closing(text, at + 1, "`") + 1
    if text[at] == "$" and text[at + 1 : at + 2] in ("(", "{"):
        return _expansion_end(text, at + 2, _CLOSING[text[at + 1]])
    return at + 1


def _expansion_end(text: str, at: int, closing: str) -> int:
    """
    Behind the expansion in which C{at} lies, with all that is nested in it.
    """
    open_ones = [closing]
    while at < len(text):
        char = text[at]
        if char == open_ones[-1]:
            open_ones.pop()
            if not open_ones:
                return at + 1
        elif char == "\\":
            at += 1
        elif char in ("'", "`"):
            at = _closing(text, at + 1, char)
        elif char == '"':
            at = _quote_end(text, at + 1)
        elif char == "(" or (char == "{" and text[at - 1] == "$"):
            open_ones.append(_CLOSING[char])
        at += 1
    raise NotClosed("a $( or ${ is not closed")


def _quote_end(text: str, at: int) -> int:
    """
    The double quote that ends what C{at} lies in.
    """
    while at < len(text):
        if text[at] == '"':
            return at
        at += 2 if text[at] == "\\" else 1
    raise NotClosed('a " is not closed')


def _closing(text: str, at: int, quote: str) -> int:
    """
    Where the next C{quote} is; nothing escapes it.
    """
    end = text.find(quote, at)
    if end < 0:
        raise NotClosed(f"a {quote} is not closed")
    return end
