"""
The parts of a process transport that follow from its other parts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn


class StandardStreams:
    """
    Names for the three standard descriptors, in terms of C{writeToChild} and
    C{closeChildFD}: the rest of L{twisted.internet.interfaces.IProcessTransport}.
    """

    def writeToChild(self, childFD: int, data: bytes) -> None:
        """
        Write to a descriptor of the program.
        """
        raise NotImplementedError

    def closeChildFD(self, descriptor: int) -> None:
        """
        Close the agent's end of a descriptor of the program.
        """
        raise NotImplementedError

    def write(self, data: bytes) -> None:
        """
        Write to its stdin.
        """
        self.writeToChild(0, data)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """
        Write several pieces to its stdin.
        """
        self.writeToChild(0, b"".join(data))

    def closeStdin(self) -> None:
        """
        End of file on its stdin, behind all that was written.
        """
        self.closeChildFD(0)

    def closeStdout(self) -> None:
        """
        Throw away what it says on stdout.
        """
        self.closeChildFD(1)

    def closeStderr(self) -> None:
        """
        Throw away what it says on stderr.
        """
        self.closeChildFD(2)

    def loseConnection(self) -> None:
        """
        Close all three.
        """
        for descriptor in range(3):
            self.closeChildFD(descriptor)

    def getHost(self) -> NoReturn:
        """
        A program has no address; Twisted's own process transports say so alike.
        """
        raise NotImplementedError

    def getPeer(self) -> NoReturn:
        """
        A program has no address.
        """
        raise NotImplementedError
