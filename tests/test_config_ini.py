"""
Tests of L{smartmob.config.ini}.
"""

from __future__ import annotations

import os
from configparser import RawConfigParser
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smartmob.config.configuration import BadConfiguration
from smartmob.config.findings import Findings
from smartmob.config.ini import parse
from smartmob.config.load import load
from tests.support.configuring import NOTHING, accounts

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Machines that run tests may be busy."""

TEXTS: dict[str, dict[str, dict[str, str]]] = {
    "": {},
    "[a]": {"a": {}},
    "[a]\nk=v": {"a": {"k": "v"}},
    "[a]\nk : v": {"a": {"k": "v"}},
    "[a]\nk = v = w : x": {"a": {"k": "v = w : x"}},
    "[a]\nk : v = w": {"a": {"k": "v = w"}},
    "[a]\nKey = V": {"a": {"Key": "V"}},
    "[a]\nK = 1\nk = 2": {"a": {"K": "1", "k": "2"}},
    "[A]\n[a]": {"A": {}, "a": {}},
    "[ a b ]\nk = v": {"a b": {"k": "v"}},
    "[a:b.c]": {"a:b.c": {}},
    "[a] ; b": {"a": {}},
    "[a] # b": {"a": {}},
    # comments, at the beginning of a line only
    "; [b]\n# k = v\n[a]\n  ;k = v\n;k": {"a": {}},
    "[a]\nk = v ; w": {"a": {"k": "v ; w"}},
    "[a]\nk = v # w": {"a": {"k": "v # w"}},
    # literal
    "[a]\nk = 100% %(x)s $x ${x}": {"a": {"k": "100% %(x)s $x ${x}"}},
    "[a]\nk = 'v' \"w\" \\n": {"a": {"k": "'v' \"w\" \\n"}},
    # no value
    "[a]\nk =\nl :\nm": {"a": {}},
    "[a]\nk =\nk = v": {"a": {"k": "v"}},
    "[a]\nk\n  v\nl = w": {"a": {"l": "w"}},
    # more lines
    "[a]\nk = v\n w\n\tx": {"a": {"k": "v\nw\nx"}},
    "[a]\nk =\n  v\n  w": {"a": {"k": "v\nw"}},
    "[a]\nk = v\n\n  w\n\n": {"a": {"k": "v\n\nw"}},
    "[a]\nk = v\n; x\n  w": {"a": {"k": "v\nw"}},
    "[a]\nk = v\n  l = w": {"a": {"k": "v\nl = w"}},
    "[a]\n  k = v\n  l = w": {"a": {"k": "v", "l": "w"}},
    "  [a]\n  k = v": {"a": {"k": "v"}},
    "[a]\nk = v\n  w\nl = x": {"a": {"k": "v\nw", "l": "x"}},
    # line ends
    "[a]\r\nk = v\r\nl = w\r\n": {"a": {"k": "v", "l": "w"}},
    "[a]\rk = v\rl = w": {"a": {"k": "v", "l": "w"}},
    "[a]\nk = v\x0bw\u2028x": {"a": {"k": "v\x0bw\u2028x"}},
    "\ufeff[a]\nk = v": {"a": {"k": "v"}},
    "[a]\nk = ä": {"a": {"k": "ä"}},
    # as any other
    "[DEFAULT]\nk = v": {"DEFAULT": {"k": "v"}},
}

ERRORS: dict[bytes, list[str]] = {
    b"k = v\nl = w\n[a]": ["f.ini:1: stands before the first [section]"],
    b"[a]\nk = v\n\xff": ["f.ini:3: is not UTF-8"],
    b"[a]\r\nk\xc3": ["f.ini:2: is not UTF-8"],
    b"[a]\nk = \0": ["f.ini:2: has a NUL character"],
    b"[a]\n = v": ["f.ini:2: [a] has no key before its = or :"],
    b"[a\nk = v\n[b]\n=": [
        "f.ini:1: the name of a section ends with ] and stands alone",
        "f.ini:4: [b] has no key before its = or :",
    ],
    b"[a] b": ["f.ini:1: the name of a section ends with ] and stands alone"],
    b"[a]]": ["f.ini:1: the name of a section ends with ] and stands alone"],
    b"[]": ["f.ini:1: a section has a name between [ and ]"],
    b"[ ]": ["f.ini:1: a section has a name between [ and ]"],
    b"[a]\nk = v\n\nk : w": ["f.ini:4: [a] k: is there a second time; the first is on line 2"],
    b"[a]\n[b]\n[a]\n=": [
        "f.ini:3: [a] is there a second time; the first is on line 1",
        "f.ini:4: [a] has no key before its = or :",
    ],
}

NAMES = st.text(st.characters(categories=["L", "N"]), min_size=1)
VALUES = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1)


def values(text: bytes | str, findings: Findings) -> dict[str, dict[str, str]]:
    """
    The values of a text by section and key.
    """
    data = text if isinstance(text, bytes) else text.encode()
    return {
        name: {key: entry.value for key, entry in section.entries.items()}
        for name, section in parse("f.ini", data, findings).items()
    }


class IniTests(SynchronousTestCase):
    """
    Tests of L{parse}.
    """

    def test_texts(self) -> None:
        """
        A file is read as C{configparser} reads it, but that keys keep their case.
        """
        for text, expected in TEXTS.items():
            with self.subTest(text=text):
                findings = Findings()
                self.assertEqual(values(text, findings), expected)
                self.assertEqual(findings.mistakes, [])

    def test_errors(self) -> None:
        """
        What can't be read is said with its line, all at once.
        """
        for data, expected in ERRORS.items():
            with self.subTest(data=data):
                findings = Findings()
                values(data, findings)
                self.assertEqual([str(mistake) for mistake in findings.mistakes], expected)

    def test_places(self) -> None:
        """
        Sections and entries know their lines; that of an entry is the line of its key.
        """
        text = b"\n[a]\n\nk = v\n  w\n\nl = x\n[b]\n"
        sections = parse("f.ini", text, Findings())
        self.assertEqual([each.line for each in sections.values()], [2, 8])
        self.assertEqual([each.line for each in sections["a"].entries.values()], [4, 7])

    def test_passedOver(self) -> None:
        """
        A line that looks like a sentence has no value, which is said without saying it.
        """
        findings = Findings()
        values("[a]\ncmd ./dummy.py secret", findings)
        self.assertEqual(
            findings.told(), ("f.ini:2: [a] a line without = or : is passed over",)
        )

    def test_oneLine(self) -> None:
        """
        What is said of a name is one line, and not of any length.
        """
        findings = Findings()
        values("[" + "a\x1b" * 60 + "]\n=", findings)
        [said] = map(str, findings.mistakes)
        self.assertTrue(said.isprintable())
        self.assertLess(len(said), 200)

    @PATIENT
    @given(st.dictionaries(NAMES, st.dictionaries(NAMES, VALUES)))
    def test_writtenAndRead(self, expected: dict[str, dict[str, str]]) -> None:
        """
        What is written plainly is read back, and C{configparser} reads the same.
        """
        lines = []
        for name, pairs in expected.items():
            lines.append(f"[{name}]")
            lines += [f"{key} = {value}" for key, value in pairs.items()]
        text = "\n".join(lines)
        findings = Findings()
        self.assertEqual(values(text, findings), expected)
        self.assertEqual(findings, Findings())
        parser = RawConfigParser(default_section="")
        parser.optionxform = str  # type: ignore[assignment,method-assign]  # as documented
        parser.read_string(text)
        self.assertEqual(
            {name: dict(parser.items(name)) for name in parser.sections()}, expected
        )


# Not include_dir: it is long until all of a disk is read.
_WORDS = r"""
[ ] = : ; # , . * - ' " \ % 0 1 5000 ./x nobody root 127.0.0.1 gaffer smartmob endpoint
process env webhooks include http_endpoints bind certfile keyfile cmd args cwd uid gid
detach shell flapping attempts= redirect_output umask nice labels limit_cpu_percent
priority numprocesses true api secret secret_file trusted_proxies port_range
allowed_sources http:// https://u:p@h token_file a A=b create proc.x.spawn
"""
WORDS = st.sampled_from(
    [
        *_WORDS.split(),
        *"\n\r\t ",
        "\n[gaffer]\n",
        "\n[process:a]\n",
        "\n[endpoint:b]\n",
        "\n[webhooks]\n",
        "\n[env:a]\n",
    ]
)


class AnythingTests(SynchronousTestCase):
    """
    Whatever a file has in it.
    """

    def setUp(self) -> None:
        """
        Make a folder.
        """
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        self.file = folder / "any.ini"

    def check(self, data: bytes) -> None:
        """
        It is loaded, or it is said what is wrong with it.
        """
        self.file.write_bytes(data)
        try:
            load(os.fspath(self.file), NOTHING, accounts=accounts(), environ={})
        except BadConfiguration as error:
            for mistake in error.mistakes:
                self.assertTrue(str(mistake).isprintable(), mistake)

    @PATIENT
    @given(st.binary())
    def test_bytes(self, data: bytes) -> None:
        """
        No bytes raise anything but L{BadConfiguration}.
        """
        self.check(data)

    @PATIENT
    @given(st.lists(WORDS | st.text(max_size=3)).map("".join))
    def test_words(self, text: str) -> None:
        """
        Neither do the words of such files in any order.
        """
        self.check(text.encode("utf-8", "replace"))
