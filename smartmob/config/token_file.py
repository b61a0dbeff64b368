"""
The file of tokens that the configuration, or the command line, names.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from smartmob import plain_files
from smartmob.config.configuration import Mistake
from smartmob.config.findings import Findings
from smartmob.config.secret_files import secret_file
from smartmob.tokens import MOST_BYTES, BadTokens, Tokens, parse

CREDENTIAL = "tokens"
"""What a service manager calls the file, where nobody names another."""


def credential_file(environ: Mapping[str, str]) -> str | None:
    """
    The path of the tokens that a service manager handed down (systemd.exec(5),
    C{LoadCredential}), if it did.
    """
    folder = environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        return None
    path = os.path.join(folder, CREDENTIAL)
    return path if os.path.lexists(path) else None


def token_file(
    path: str,
    environ: Mapping[str, str],
    findings: Findings,
    located: Callable[[str], Mistake],
) -> Tokens | None:
    """
    The tokens in a file.

    @param environ: Where C{CREDENTIALS_DIRECTORY} may be.
    @param located: Gives a mistake the place where the file is named.
    @return: C{None} where something is wrong, which has been noted.
    """
    try:
        text = secret_file(path, MOST_BYTES, environ).decode("utf-8-sig")
    except UnicodeDecodeError:
        findings.mistakes.append(located(f"{path} is not UTF-8"))
        return None
    except (OSError, ValueError) as error:
        findings.mistakes.append(located(f"{path} {plain_files.why(error)}"))
        return None
    try:
        tokens = parse(text)
    except BadTokens as bad:
        findings.mistakes += (
            Mistake(file=path, line=line, why=why) for line, why in bad.mistakes
        )
        return None
    if not len(tokens):
        findings.warnings.append(located(f"{path} has no token, so nobody can use the agent"))
    return tokens
