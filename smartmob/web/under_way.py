"""
Answers that a route only begins.
"""

from __future__ import annotations

from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET


class UnderWay(Resource):
    """
    An answer that others write, which a resource can say.
    """

    isLeaf = True

    def render(self, request: object) -> int:
        """
        Leave it to them.
        """
        return NOT_DONE_YET
