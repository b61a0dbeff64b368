"""
What can be unusual about a request, and who may send one.
"""

from __future__ import annotations

from enum import Enum

from attrs import frozen

from smartmob.permit import Scope

OURS, OTHERS, NOBODYS = "shop", "bank", "none"
"""
Apps: the one that some tokens are for, another, and one that there is not.
"""


class Check(Enum):
    """
    What a request can fail at, in the order in which it is told.
    """

    HOST = 1
    ORIGIN = 2
    TOKEN = 3
    TYPE = 4
    SIZE = 5


@frozen
class Flaw:
    """
    What is unusual about a request, in one respect.

    @ivar headers: More of them, or others.
    """

    check: Check
    name: str
    headers: tuple[str, ...] = ()


READER, WRITER, ADMIN, SHOP, BANK, KEEPER = (
    f"{name}-token-of-20-characters-and-more"
    for name in ("reader", "writer", "admin", "shop", "bank", "keeper")
)
TOKENS = f"""
{READER} read
{WRITER} write
{ADMIN}  admin
{SHOP}   write {OURS}
{BANK}   write {OTHERS}
{KEEPER} admin {OURS}*
"""


def bearer(token: str) -> str:
    """
    A header.
    """
    return f"Authorization: Bearer {token}"


HOST = "Host: 127.0.0.1:8080"
OWN_PAGE = "Origin: http://127.0.0.1:8080"

FLAWS = (
    Flaw(Check.HOST, "no Host"),
    Flaw(Check.HOST, "two Hosts", (HOST, HOST)),
    Flaw(Check.HOST, "bad Host", ("Host: user@127.0.0.1",)),
    Flaw(Check.HOST, "foreign Host", ("Host: agent.example",)),
    Flaw(Check.ORIGIN, "foreign Origin", ("Origin: http://page.example",)),
    Flaw(Check.ORIGIN, "Origin null", ("Origin: null",)),
    Flaw(Check.ORIGIN, "cross-site", ("Sec-Fetch-Site: cross-site",)),
    Flaw(Check.ORIGIN, "same-site", ("Sec-Fetch-Site: same-site",)),
    Flaw(Check.ORIGIN, "visit", ("Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate")),
    Flaw(Check.TOKEN, "no token"),
    Flaw(Check.TOKEN, "wrong token", (bearer(ADMIN[:-1]),)),
    Flaw(Check.TOKEN, "two tokens", (bearer(ADMIN), bearer(ADMIN))),
    Flaw(Check.TOKEN, "token in the URL", (bearer(ADMIN),)),
    Flaw(Check.TOKEN, "read", (bearer(READER),)),
    Flaw(Check.TOKEN, "write", (bearer(WRITER),)),
    Flaw(Check.TOKEN, "write shop", (bearer(SHOP),)),
    Flaw(Check.TOKEN, "write bank", (bearer(BANK),)),
    Flaw(Check.TOKEN, "admin shop", (bearer(KEEPER),)),
    Flaw(Check.TYPE, "a form", ("Content-Type: application/x-www-form-urlencoded",)),
    Flaw(Check.TYPE, "text of a page", (OWN_PAGE, "Content-Type: text/plain")),
    Flaw(Check.SIZE, "announced"),
    Flaw(Check.SIZE, "chunked"),
)

STRANGERS = {"no token", "wrong token", "two tokens", "token in the URL"}

PERMITS = {
    "read": (Scope.READ, {OURS, OTHERS, NOBODYS}),
    "write": (Scope.WRITE, {OURS, OTHERS, NOBODYS}),
    "write shop": (Scope.WRITE, {OURS}),
    "write bank": (Scope.WRITE, {OTHERS}),
    "admin shop": (Scope.ADMIN, {OURS}),
    "": (Scope.ADMIN, {OURS, OTHERS, NOBODYS}),
}
"""
How much tokens are for, and which apps.
"""
