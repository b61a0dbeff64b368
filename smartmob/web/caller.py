"""
Who a request is from.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

from smartmob.permit import EVERYTHING, Permit, Scope
from smartmob.web.problems import FieldError, Problem


@frozen
class Caller:
    """
    Somebody who was asked who they are, if anybody is.

    @ivar permit: What they may do.
    @ivar session: What their session is called here, where they signed in.
    @ivar uid: The user that they are, where they came over a unix socket and that was
        enough.
    """

    permit: Permit
    session: bytes | None = None
    uid: int | None = None

    def check(self, scope: Scope, what: str) -> None:
        """
        See that they may do something.

        @param what: That, as the beginning of a sentence.
        @raise Problem: C{forbidden-scope}: they may not.
        """
        if not self.permit.may(scope):
            raise Problem(
                "forbidden-scope",
                f"{what} needs the scope {scope.word}, and this token has "
                f"{self.permit.scope.word}",
            )

    def check_app(self, app: str, what: str) -> None:
        """
        See that what they want is about an app that they may see.

        @param what: That, as the beginning of a sentence.
        @raise Problem: C{forbidden-scope}: it is not.
        """
        if not self.permit.sees(app):
            raise self._kept_to_apps(what)

    def check_every_app(self, what: str) -> None:
        """
        See that what they want, which is about no app, or any, is for them.

        @param what: That, as the beginning of a sentence.
        @raise Problem: C{forbidden-scope}: their token is for certain apps only.
        """
        if self.permit.limited:
            raise self._kept_to_apps(what)

    def _kept_to_apps(self, what: str) -> Problem:
        return Problem(
            "forbidden-scope",
            f"{what} is not for this token, whose apps are {self.permit.apps}",
        )

    def check_members(self, beyond: Iterable[tuple[str, str]]) -> None:
        """
        See that a document of theirs has nothing that only an admin may ask for.

        @param beyond: That, each with a sentence, as of
            L{privileges<smartmob.privileges.privileges>}.
        @raise Problem: C{forbidden-scope}: it has, and they are none.
        """
        if self.permit.may(Scope.ADMIN):
            return
        errors = tuple(FieldError(name, why) for name, why in beyond)
        if errors:
            said = "; ".join(f"{error.field} {error.message}" for error in errors)
            raise Problem(
                "forbidden-scope", f"{said}, unless the scope of the token is admin", errors
            )


ANYBODY = Caller(EVERYTHING)
"""Who a request is from where nobody is asked."""

NOBODY = Caller(Permit(scope=Scope.NONE, apps=""))
"""Who a request is from where that makes no difference."""
