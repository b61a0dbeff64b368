"""
The C{.env} file beside a Procfile: variables for every process of an app.

Source: Smartmob RFC 2.
"""

from __future__ import annotations

import re

from smartmob.logical_lines import LineError, logical_lines, shown

_VARIABLE = re.compile(
    r"""
    (?: export [ \t]+ )?
    (?P<name> [A-Za-z_][A-Za-z0-9_]* )
    [ \t]* = [ \t]*
    (?P<value> .* )
    """,
    re.VERBOSE | re.DOTALL,
)


class DotenvError(LineError):
    """
    A line of an C{.env} file that is no variable, or declares one again.
    """


def parse(data: bytes) -> dict[str, str]:
    """
    The variables, in the order of the file.  Nothing in a value is expanded.

    A value that is wholly in quotes loses them; white space around C{=} and at
    the end is not part of it, C{export} before the name is no more than a word.

    @raise DotenvError: For anything else, and a variable declared twice.
    """
    variables: dict[str, str] = {}
    try:
        for number, text in logical_lines(data):
            match = _VARIABLE.fullmatch(text)
            if match is None:
                raise DotenvError(number, "is not VARIABLE=VALUE")
            name = match["name"]
            if name in variables:
                raise DotenvError(number, f"variable {shown(name)} is declared a second time")
            variables[name] = _unquoted(match["value"].rstrip(" \t\r\f\v"))
    except DotenvError:
        raise
    except LineError as error:
        raise DotenvError(error.line, error.why) from None
    return variables


def _unquoted(value: str) -> str:
    """
    The value without the quotes around all of it.  C{"a" and "b"} has none such.
    """
    quote = value[:1]
    if quote in ("'", '"') and len(value) > 1 and value.find(quote, 1) == len(value) - 1:
        return value[1:-1]
    return value
