"""
A model of the gate: what any request is to be answered with, by the rules of the
documentation, for a table of routes.

What these rules say of single routes stands here by hand, so that a change of it shows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from functools import cached_property

from attrs import define, field, frozen

from smartmob.config.configuration import Api
from smartmob.permit import Scope
from smartmob.web.bodies import BODY_BYTES, STRANGER_BYTES
from smartmob.web.routing import Route
from tests.support.flaws import NOBODYS, OTHERS, OURS, PERMITS, STRANGERS, Check

ARCHIVE_BYTES = BODY_BYTES + 1000
"""
What an archive may have, as little as can be told from other bodies.
"""

NO_TOKEN = {("GET", "/ping"), ("POST", "/sign-in")}
"""
All that strangers may use.
"""

FOR_ADMINS = {("POST", "/reload"), ("GET", "/plugins"), ("GET", "/webhooks")}
"""
What is about the agent itself.
"""

OTHERWISE = {
    ("POST", "/sign-out"): Scope.READ,  # of oneself
    ("POST", "/tickets"): Scope.READ,  # for what one may do
    ("GET", "/wstreams/<number>"): Scope.WRITE,  # where one types
}
"""
What asks for more, or less, than others of the same method.
"""

OF_GAFFERD = {"processes", "status", "stats", "groups", "streams", "wstreams", "watch"}
"""
How the paths of gafferd's interface begin.
"""

THINGS: Mapping[str, Mapping[str, str]] = {
    "slug": {OURS: "shop.echo.0", OTHERS: "bank.echo.0", NOBODYS: "none.echo.0"},
    "app": {OURS: "shop", OTHERS: "bank", NOBODYS: "none"},
    "which": {OURS: "shop:echo", OTHERS: "bank:echo", NOBODYS: "none:echo"},
    "template": {OURS: "shop:echo", OTHERS: "bank:echo", NOBODYS: "none:echo"},
    "number": {OURS: "1", OTHERS: "2", NOBODYS: "3"},
    "group": {OURS: "shop", OTHERS: "bank", NOBODYS: "none"},
}
"""
Parts of paths that name what is an app's.
"""

WORDS = {
    "name": "site",
    "file": "a/page.html",  # of a plugin
    "sign": "HUP",
    "count": "2",
    "label": "stdout",
    "proc": "proc",
    "whose": "shop:echo",
    "kind": "spawn",
}
"""
Parts that don't: any word will do.  A part that is in neither has to be put where it belongs.
"""

_PART = re.compile(r"<(?:(?P<kind>path|any)(?:\((?P<words>[^)]*)\))?:)?(?P<name>\w+)>")

STATUSES = {
    "bad-request": 400,
    "unauthorized": 401,
    "forbidden-host": 403,
    "forbidden-origin": 403,
    "forbidden-scope": 403,
    "not-found": 404,
    "unknown-process": 404,
    "unknown-app": 404,
    "method-not-allowed": 405,
    "unsupported-media-type": 415,
    "body-too-large": 413,
}

GAFFERD_WORDS = {
    "not-found": "resource_not_found",
    "unknown-process": "not_found",
    "unknown-app": "not_found",
}
"""
What gafferd calls them; others as they are, with another dash.
"""


class Takes(Enum):
    """
    What kind of body a method of a path takes.
    """

    NOTHING = "nothing"
    JSON = "a document"
    LOOSELY = "a document, called by any type where it comes from no browser"
    BYTES = "bytes of any type"
    ARCHIVE = "an archive"


@frozen
class Place:
    """
    A path.

    @ivar whose: The app that it names; C{None}: none.
    @ivar is_app: It names the app itself.
    """

    path: str
    whose: str | None = None
    is_app: bool = False


@frozen
class Rule:
    """
    What there is to know of a method of a path, by its pattern.
    """

    method: str
    pattern: str

    @cached_property
    def fits(self) -> re.Pattern[str]:
        """
        Matches the paths.
        """
        expression = ""
        end = 0
        for part in _PART.finditer(self.pattern):
            expression += re.escape(self.pattern[end : part.start()])
            end = part.end()
            match part["kind"]:
                case None:
                    expression += "[^/]+"
                case "path":
                    expression += "[^/].*"
                case "any":
                    words = [word.strip() for word in part["words"].split(",")]
                    expression += f"(?:{'|'.join(words)})"
        return re.compile(expression + re.escape(self.pattern[end:]))

    @property
    def scope(self) -> Scope:
        """
        What it asks of who uses it.
        """
        key = self.method, self.pattern
        if key in NO_TOKEN:
            return Scope.NONE
        if key in FOR_ADMINS:
            return Scope.ADMIN
        return OTHERWISE.get(key, Scope.READ if self.method == "GET" else Scope.WRITE)

    @property
    def takes(self) -> Takes:
        """
        What kind of body it takes.
        """
        first = self.pattern.split("/")[1]
        match self.method, first:
            case "POST", "streams":
                return Takes.BYTES
            case "POST" | "PUT", _ if first in OF_GAFFERD:
                return Takes.LOOSELY
            case "POST", _:
                return Takes.JSON
            case "PUT", _:
                return Takes.ARCHIVE
        return Takes.NOTHING

    def place(self, whose: str) -> Place:
        """
        A path of it.
        """
        named = [name for part in _PART.finditer(self.pattern) if (name := part["name"])]
        things = [name for name in named if name in THINGS]
        path = _PART.sub(lambda part: _word(part, whose), self.pattern)
        if not things:
            return Place(path)
        return Place(path, whose, is_app=things[0] in ("app", "group"))


def _word(part: re.Match[str], whose: str) -> str:
    if part["words"]:
        return part["words"].split(",")[0]
    name = part["name"]
    return THINGS[name][whose] if name in THINGS else WORDS[name]


NOWHERE = (
    *("/nowhere", "//", "/.", "/..", "/%ff", "*", "no-slash", "/list-processes/", "/Ping"),
    *("//ping", "/ping/", "/sign-in/", "/process-status", "/process-status/", "/_plugin"),
    *("/attach-console/shop.echo.0/x", "/processes/", "/processes/1/_stop/x", "/ping%00"),
)
"""
Paths that there are not.
"""


@define(eq=False)
class Model:
    """
    What is to come of any request.

    @ivar api: Whose paths they are.
    @ivar tokens: There are some; else nobody is asked.
    """

    routes: Sequence[Route]
    api: Api
    tokens: bool = True
    _rules: list[Rule] = field(init=False)
    _found: dict[str, dict[str, Rule]] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self._rules = [
            Rule(method, route.path) for route in self.routes for method in route.methods
        ]

    @property
    def rules(self) -> Sequence[Rule]:
        """
        Those of the table.
        """
        return self._rules

    def places(self, *whose: str) -> Iterator[Place]:
        """
        Each path once, for each of the apps where it names one.
        """
        known = set()
        for rule in self._rules:
            for app in whose:
                place = rule.place(app)
                if place.path not in known:
                    known.add(place.path)
                    yield place

    def methods(self, place: Place) -> Mapping[str, Rule]:
        """
        Those of a path, without HEAD and OPTIONS.
        """
        found = self._found.get(place.path)
        if found is None:
            found = self._found[place.path] = {}
            for rule in self._rules:
                if rule.fits.fullmatch(place.path):
                    assert rule.method not in found, f"two routes have {place.path}"
                    found[rule.method] = rule
        return found

    def allowed(self, place: Place) -> str:
        """
        As the header Allow says it.
        """
        methods = self.methods(place)
        more = {"HEAD", "OPTIONS"} if "GET" in methods else {"OPTIONS"}
        return ", ".join(sorted({*methods, *more}))

    def gafferd_form(self, place: Place) -> bool:
        """
        Whether errors there have gafferd's form.
        """
        if self.api is not Api.BOTH:
            return self.api is Api.GAFFERD
        return place.path.split("/")[1:2] != [] and place.path.split("/")[1] in OF_GAFFERD

    def code(self, method: str, place: Place, flaws: Mapping[Check, str]) -> str | None:
        """
        Why a request is refused; C{None}: it is not.

        @param flaws: By what they are about.
        """
        host, origin = flaws.get(Check.HOST), flaws.get(Check.ORIGIN)
        if host is not None:
            return "forbidden-host" if host == "foreign Host" else "bad-request"
        visits = method in ("GET", "HEAD") and place.path.startswith("/_plugin/")
        if origin is not None and not (origin == "visit" and visits):
            return "forbidden-origin"
        rule = self.methods(place).get("GET" if method == "HEAD" else method)
        code = self._permission(method, place, rule, flaws.get(Check.TOKEN, ""))
        if code is not None:
            return code
        wrong_type = {
            Takes.JSON: {"a form", "text of a page"},
            Takes.LOOSELY: {"text of a page"},
            Takes.ARCHIVE: {"text of a page"},
        }.get(Takes.NOTHING if rule is None else rule.takes, set())
        if flaws.get(Check.TYPE) in wrong_type:
            return "unsupported-media-type"
        return "body-too-large" if Check.SIZE in flaws else None

    def most_bytes(self, method: str, place: Place) -> int:
        """
        Of a body.
        """
        rule = self.methods(place).get(method)
        if rule is not None and rule.scope is Scope.NONE:
            return STRANGER_BYTES
        archive = rule is not None and rule.takes is Takes.ARCHIVE
        return ARCHIVE_BYTES if archive else BODY_BYTES

    def _permission(
        self, method: str, place: Place, rule: Rule | None, token: str
    ) -> str | None:
        """
        What refuses it of all that lies between the page that it is from and its body.
        """
        free = rule is not None and rule.scope is Scope.NONE
        if self.tokens and token in STRANGERS and not free:
            return "unauthorized"
        if method == "OPTIONS" and (self.methods(place) or place.path == "*"):
            return None
        if not self.methods(place):
            return "not-found"
        if rule is None:
            return "method-not-allowed"
        scope, apps = PERMITS[token if self.tokens and token not in STRANGERS else ""]
        if place.whose == NOBODYS or (place.whose is not None and place.whose not in apps):
            return "unknown-app" if place.is_app else "unknown-process"
        limited = len(apps) == 1
        if scope < rule.scope or (limited and rule.scope is Scope.ADMIN):
            return "forbidden-scope"
        return None
