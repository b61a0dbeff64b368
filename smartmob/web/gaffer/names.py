"""
The names of templates: C{dummy}, or C{group:dummy}, where the group is the app.
"""

from __future__ import annotations

from attrs import frozen

from smartmob.checks import Wrong, process_type
from smartmob.checks import app as check_app
from smartmob.documents import Definition
from smartmob.events import DEFAULT_APP
from smartmob.refusals import UnknownProcess


@frozen(order=True)
class Name:
    """
    A template's name.

    @ivar app: The group; those without one are in the app C{default}.
    """

    app: str
    process_type: str

    def __str__(self) -> str:
        """
        As clients write it.
        """
        if self.app == DEFAULT_APP:
            return self.process_type
        return f"{self.app}:{self.process_type}"

    @property
    def group(self) -> str | None:
        """
        The group; C{None}: none.
        """
        return None if self.app == DEFAULT_APP else self.app

    @property
    def template(self) -> str:
        """
        As L{Template.name<smartmob.templates.Template.name>}.
        """
        return f"{self.app}.{self.process_type}"


def name_of(definition: Definition) -> Name:
    """
    The name of the template of a process.
    """
    return Name(definition.app, definition.process_type)


def parse(value: object) -> Name:
    """
    The name that a text is; a dot is as good as a colon, as in the configuration file.

    @raise Wrong: It is none.
    """
    if not isinstance(value, str):
        raise Wrong(("", "must be a string"))
    app, separator, rest = value.replace(".", ":", 1).partition(":")
    if not separator:
        app, rest = DEFAULT_APP, value
    try:
        return Name(check_app(app), process_type(rest))
    except Wrong:
        raise Wrong(
            ("", "must be NAME or GROUP:NAME, of letters, digits, _ and -, 100 each at most")
        ) from None


def parse_path(text: str) -> Name:
    """
    The name that a part of a path is.

    @raise UnknownProcess: It is none, so nothing can have it.
    """
    try:
        return parse(text)
    except Wrong:
        raise UnknownProcess(f"there is no process {text[:200]!r}") from None
