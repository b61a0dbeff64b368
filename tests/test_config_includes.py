"""
Tests of L{smartmob.config.includes}.
"""

from __future__ import annotations

import os

from smartmob.config import includes
from smartmob.config.configuration import BadConfiguration
from smartmob.config.findings import Findings
from smartmob.config.ini import MOST_BYTES
from smartmob.config.load import load
from tests.support.configuring import NOTHING, ConfigurationTestCase


class IncludeTests(ConfigurationTestCase):
    """
    Files that include others.
    """

    def values(self, text: str) -> dict[str, dict[str, str]]:
        """
        The values of a file by section and key, but for what includes.
        """
        self.write(self.file.name, text)
        findings = Findings()
        sections = includes.read(os.fspath(self.file), findings)
        findings.check()
        return {
            name: {
                key: entry.value
                for key, entry in section.entries.items()
                if not key.startswith("include")
            }
            for name, section in sections.items()
            if name not in includes.MAIN
        }

    def test_include(self) -> None:
        """
        What is included later wins, key by key; several have spaces or commas in between.
        """
        self.write("b.ini", "[a]\nk = b\nl = b\n")
        self.write("c/c.ini", "[a]\nl = c\n[c]\n")
        self.write("d.ini", "[a]\nm = d\n")
        for main in includes.MAIN:
            text = f"[{main}]\ninclude = b.ini, c/c.ini d.ini\n[a]\nk = a\nl = a\nn = a\n"
            expected = {"a": {"k": "b", "l": "c", "n": "a", "m": "d"}, "c": {}}
            self.assertEqual(self.values(text), expected)

    def test_empty(self) -> None:
        """
        A key without a value in an included file takes nothing away.
        """
        self.write("b.ini", "[a]\nk =\n")
        self.assertEqual(
            self.values("[gaffer]\ninclude = b.ini\n[a]\nk = a\n"), {"a": {"k": "a"}}
        )

    def test_nested(self) -> None:
        """
        What an included file includes is relative to that file, and read right behind it.
        """
        self.write("b/b.ini", "[gaffer]\ninclude = c.ini\n[a]\nk = b\nl = b\n")
        self.write("b/c.ini", "[a]\nl = c\nm = c")
        self.write("d.ini", "[a]\nm = d\n")
        self.assertEqual(
            self.values("[gaffer]\ninclude = b/b.ini d.ini\n[a]\nk = a\n"),
            {"a": {"k": "b", "l": "c", "m": "d"}},
        )

    def test_absolute(self) -> None:
        """
        A path may be absolute, and C{~} is a home.
        """
        path = self.write("b.ini", "[b]\n")
        self.patch(os, "environ", {**os.environ, "HOME": os.fspath(self.folder)})
        self.assertEqual(self.values(f"[gaffer]\ninclude = {path}\n"), {"b": {}})
        self.assertEqual(self.values("[gaffer]\ninclude = ~/b.ini\n"), {"b": {}})

    def test_folder(self) -> None:
        """
        Every C{*.ini} of a folder and of those in it is read, by name, after C{include}.
        """
        self.write("z.ini", "[z]\nk = z")
        self.write("d/b.ini", "[b]\n[z]\nk = b")
        self.write("d/a.ini", "[a]\n[z]\nk = a")
        self.write("d/c/c.ini", "[c]\n")
        self.write("d/no.txt", "[no]\n")
        self.write("d/.no.ini", "[no]\n")
        self.write("d/.no/no.ini", "[no]\n")
        read = self.values("[gaffer]\ninclude_dir = d\ninclude = z.ini\n")
        self.assertEqual(list(read), ["z", "a", "b", "c"])
        self.assertEqual(read["z"], {"k": "b"})

    def test_itsFolder(self) -> None:
        """
        A file may include the folder that it is in.
        """
        self.write("b.ini", "[b]\n")
        self.assertEqual(self.values("[gaffer]\ninclude_dir = .\n"), {"b": {}})

    def test_twice(self) -> None:
        """
        A file that is included by two is read once.
        """
        self.write("b.ini", "[gaffer]\ninclude = d.ini\n[a]\nk = b\n")
        self.write("c.ini", "[gaffer]\ninclude = d.ini\n")
        self.write("d.ini", "[a]\nk = d\n")
        self.assertEqual(
            self.values("[gaffer]\ninclude = d.ini b.ini c.ini\n"), {"a": {"k": "b"}}
        )

    def test_missing(self) -> None:
        """
        An include that is missing is said, with its place.
        """
        self.assertEqual(
            self.mistakes("[gaffer]\ninclude = no.ini\n  no2.ini\ninclude_dir = no3\n"),
            [
                f"agent.ini:{place}{name} can't be read: No such file or directory"
                for place, name in (
                    ("2: [gaffer] include: ", "no.ini"),
                    ("2: [gaffer] include: ", "no2.ini"),
                    ("4: [gaffer] include_dir: ", "no3"),
                )
            ],
        )

    def test_cycle(self) -> None:
        """
        A file that includes itself by way of others is said where that closes.
        """
        self.write("b.ini", "[gaffer]\ninclude = agent.ini\n")
        self.assertEqual(
            self.mistakes("[gaffer]\ninclude = b.ini\n"),
            ["b.ini:2: [gaffer] include: agent.ini includes itself in the end"],
        )

    def test_deep(self) -> None:
        """
        Includes are not nested without end.
        """
        for number in range(50):
            self.write(f"{number}.ini", f"[gaffer]\ninclude = {number + 1}.ini\n")
        self.assertEqual(
            self.mistakes("[gaffer]\ninclude = 0.ini\n"),
            ["31.ini:2: [gaffer] include: includes are nested more than 32 deep"],
        )

    def test_mistakeInside(self) -> None:
        """
        What is wrong in an included file is said with that file, in the order of reading.
        """
        self.write("b.ini", "[process:a]\nnice = no\n")
        self.assertEqual(
            self.mistakes("[process:a]\ncmd = x\numask = 9\n[gaffer]\ninclude = b.ini\n"),
            [
                "agent.ini:3: [process:a] umask: must be octal digits, such as 027",
                "b.ini:2: [process:a] nice: must be an integer from -20 to 19",
            ],
        )

    def test_tooLarge(self) -> None:
        """
        A file has a bound.
        """
        with self.write("b.ini").open("wb") as file:
            file.truncate(MOST_BYTES + 1)
        self.assertEqual(
            self.mistakes("[gaffer]\ninclude = b.ini\n"),
            ["agent.ini:2: [gaffer] include: b.ini has more than 16 MiB"],
        )

    def test_pipe(self) -> None:
        """
        A pipe that nobody writes to holds nobody up, wherever a file is wanted.
        """
        os.mkfifo(self.folder / "b.ini")
        for text in ("include = b.ini", "include_dir = ."):
            wrong = self.mistakes(f"[gaffer]\n{text}\n")
            key = text.partition(" ")[0]
            why = "b.ini is no plain file"
            self.assertEqual(wrong, [f"agent.ini:2: [gaffer] {key}: {why}"])
        self.file.unlink()
        os.mkfifo(self.file)
        with self.assertRaises(BadConfiguration) as caught:
            load(os.fspath(self.file), NOTHING)
        self.assertEqual(str(caught.exception), f"{self.file}: is no plain file")

    def test_unreadable(self) -> None:
        """
        A file that can't be read is said.
        """
        with self.assertRaises(BadConfiguration) as caught:
            load(os.fspath(self.file), NOTHING)
        self.assertEqual(
            str(caught.exception), f"{self.file}: can't be read: No such file or directory"
        )
