"""
Tests of L{smartmob.logs}.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from io import FileIO, StringIO
from pathlib import Path
from typing import Any, cast

from twisted.logger import (
    ILogObserver,
    LogEvent,
    Logger,
    LoggingFile,
    LogLevel,
    LogPublisher,
    formatEvent,
    globalLogPublisher,
)
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from smartmob.logs import ALWAYS, LogFile, complain, observer


def said(verbosity: int, form: str = "text", level: str | None = None) -> str:
    """
    What an operator reads of some events.
    """
    out = StringIO()
    publisher = LogPublisher(observer(verbosity, form, out, level))
    ours = Logger("smartmob.process", observer=publisher)
    theirs = Logger("twisted.web.http", observer=publisher)
    ours.info("{slug} started", slug="a.b", folder=object())
    ours.debug("detail")
    ours.warn("{slug} failed", slug="a.b")
    theirs.info("Starting factory")
    theirs.warn("odd request")
    ours.critical("it broke")
    ours.emit(LogLevel.info, "Listening on {url}", url="http://x", **{ALWAYS: True})
    return out.getvalue()


class LogTests(SynchronousTestCase):
    """
    What is shown, and how.
    """

    def test_quiet(self) -> None:
        """Without -v: warnings, errors, and where the agent listens."""
        lines = said(0).splitlines()
        self.assertEqual(
            [line.split(" ", 1)[1] for line in lines],
            [
                "warn: a.b failed",
                "warn: odd request",
                "critical: it broke",
                "Listening on http://x",
            ],
        )

    def test_verbose(self) -> None:
        """With -v also what happens to processes, but not the framework's own news."""
        lines = said(1).splitlines()
        self.assertEqual(lines[0].split(" ", 1)[1], "a.b started")
        self.assertEqual(len(lines), 5)

    def test_printed(self) -> None:
        """What plugins print is shown, where twistd has it go to the log."""
        out = StringIO()
        printed = Logger("stdout", observer=LogPublisher(observer(0, "text", out)))
        printed.info("{log_io}", log_io="start dummy app")
        self.assertTrue(out.getvalue().endswith(" start dummy app\n"))

    def test_levels(self) -> None:
        """A level that is named takes the place of -v; where it listens is always said."""
        for level, number in (("debug", 7), ("info", 5), ("warn", 4), ("error", 2)):
            for verbosity in (0, 2):
                lines = said(verbosity, level=level).splitlines()
                self.assertEqual(len(lines), number, lines)
                self.assertIn("Listening on", lines[-1])

    def test_json(self) -> None:
        """As JSON each line is a document, with the event's fields where JSON has them."""
        documents = [json.loads(line) for line in said(1, "json").splitlines()]
        first = documents[0]
        self.assertEqual(first["message"], "a.b started")
        self.assertEqual(first["level"], "info")
        self.assertEqual(first["slug"], "a.b")
        self.assertNotIn("folder", first)
        self.assertEqual(documents[-1]["message"], "Listening on http://x")

    def test_traceback(self) -> None:
        """A failure comes with its traceback, indented, so that a line is an event."""
        for form in ("text", "json"):
            out = StringIO()
            log = Logger("smartmob", observer=LogPublisher(observer(0, form, out)))
            try:
                raise ZeroDivisionError("oh")
            except ZeroDivisionError:
                log.failure("it broke", Failure())
            self.assertIn("ZeroDivisionError: oh", out.getvalue())
            first, *rest = out.getvalue().splitlines()
            self.assertIn("it broke", first)
            self.assertTrue(all(line.startswith("    ") for line in rest))


class ComplaintTests(SynchronousTestCase):
    """
    What is said to whoever started the agent.
    """

    def test_redirected(self) -> None:
        """It is on standard error, also where that is logged."""
        err, lost = StringIO(), StringIO()
        self.patch(sys, "stderr", err)
        complain("one")
        self.patch(sys, "__stderr__", err)
        self.patch(sys, "stderr", LoggingFile(Logger(observer=observer(0, "text", lost))))
        complain("two")
        self.patch(sys, "__stderr__", None)
        complain("three")
        self.assertEqual(err.getvalue(), "smartmob: one\nsmartmob: two\n")
        self.assertEqual(lost.getvalue(), "")


class FileTests(SynchronousTestCase):
    """
    A log that is a file.
    """

    def setUp(self) -> None:
        """
        A folder of its own, and what is said while nothing can be logged.
        """
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.file = LogFile(self.folder / "log")
        self.complaints: list[LogEvent] = []
        publisher = cast(ILogObserver, self.complaints.append)
        globalLogPublisher.addObserver(publisher)
        self.addCleanup(globalLogPublisher.removeObserver, publisher)

    def read(self, name: str = "log") -> str:
        """
        What is in a file.
        """
        return (self.folder / name).read_text(encoding="utf-8")

    def test_early(self) -> None:
        """What is said before it is open is in it, and no file is made until then."""
        self.file.write("one\n")
        self.assertEqual(os.listdir(self.folder), [])
        self.file.open()
        self.file.write("two\n")
        self.file.open()
        self.assertEqual(self.read(), "one\ntwo\n")

    def test_private(self) -> None:
        """It is the agent's user's alone where it is made, and as it was where it is not."""
        self.file.open()
        self.assertEqual((self.folder / "log").stat().st_mode & 0o777, 0o600)
        other = self.folder / "other"
        other.write_text("before\n")
        other.chmod(0o640)
        file = LogFile(other)
        file.open()
        file.write("after\n")
        self.assertEqual(self.read("other"), "before\nafter\n")
        self.assertEqual(other.stat().st_mode & 0o777, 0o640)

    def test_moved(self) -> None:
        """One that was moved away is written to until it is opened anew."""
        self.file.open()
        self.file.write("one\n")
        (self.folder / "log").rename(self.folder / "log.1")
        self.file.write("two\n")
        self.file.reopen()
        self.file.write("three\n")
        self.assertEqual((self.read("log.1"), self.read()), ("one\ntwo\n", "three\n"))

    def test_cannot(self) -> None:
        """One that can't be opened anew goes on as it is, and says so."""
        self.file.open()
        (self.folder / "log").rename(self.folder / "log.1")
        (self.folder / "log").mkdir()
        self.file.reopen()
        self.file.write("goes on\n")
        self.assertEqual(self.read("log.1"), "goes on\n")
        [complaint] = self.complaints
        self.assertIn(str(self.folder / "log"), formatEvent(complaint))
        self.assertIn("Is a directory", formatEvent(complaint))

    def test_becamePipe(self) -> None:
        """One whose place a pipe took goes on as it is: nobody waits for who reads that."""
        self.file.open()
        (self.folder / "log").rename(self.folder / "log.1")
        os.mkfifo(self.folder / "log")
        self.file.reopen()
        reader = os.open(self.folder / "log", os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        self.file.reopen()
        self.file.write("goes on\n")
        self.assertEqual(self.read("log.1"), "goes on\n")
        no_reader, reader_there = map(formatEvent, self.complaints)
        self.assertIn("No such device or address", no_reader)
        self.assertIn("it is no plain file", reader_there)

    def test_neverOpened(self) -> None:
        """One that was not opened yet is not made by opening it anew."""
        self.file.reopen()
        self.assertEqual(os.listdir(self.folder), [])

    def test_nowhere(self) -> None:
        """One that can't be made is an error that has its name."""
        with self.assertRaises(OSError) as caught:
            LogFile(self.folder / "no" / "log").open()
        self.assertEqual(caught.exception.filename, str(self.folder / "no" / "log"))

    def test_full(self) -> None:
        """What finds no room is missed, and nothing else is."""
        file = LogFile(Path("/dev/full"))
        file.open()
        file.write("lost\n")
        file.reopen()
        file.write("lost\n")

    def test_room(self) -> None:
        """When there is room again it is said how many were missed, and no line is half."""

        class Small(FileIO):
            """
            A file on a disk with room for so many bytes.
            """

            room = 10

            def write(self, data: Any) -> int:
                written = super().write(data[: self.room]) if self.room else 0
                self.room -= written
                if not written:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                return written

        small = Small(self.folder / "log", "a")
        self.file._file = small
        for number in range(1, 5):
            self.file.write(f"entry {number}\n")
        self.assertEqual(self.read(), "entry 1\n")
        small.room = 60
        self.file.write("entry 5\n")
        note = "(3 entries of the log found no room on the disk)\n"
        self.assertEqual(self.read(), f"entry 1\n{note}entry 5\n")
        small.room = 1000
        self.file.write("entry 6\n")
        self.assertEqual(self.read(), f"entry 1\n{note}entry 5\nentry 6\n")

    def test_odd(self) -> None:
        """Names that are no text are written escaped."""
        self.file.open()
        self.file.write(f"{os.fsdecode(b'caf' + bytes([0xE9]))}\n")
        self.assertEqual(self.read(), "caf\\udce9\n")

    def test_pipe(self) -> None:
        """A pipe may be slow to read: nobody waits for it."""
        path = self.folder / "pipe"
        os.mkfifo(path)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        file = LogFile(path)
        file.open()
        os.set_blocking(reader, True)
        for _ in range(100):
            file.write("x" * 9_999 + "\n")
        text = b""
        while len(text) < 1_000_000:
            text += os.read(reader, 65_536)
        self.assertEqual(text.count(b"\n"), 100)
