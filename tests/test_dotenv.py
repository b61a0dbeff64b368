"""
Tests of L{smartmob.dotenv}.
"""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smartmob.dotenv import DotenvError, parse

#: What a line is read as.
LINES: dict[str, tuple[str, str]] = {
    "A=1": ("A", "1"),
    "  A \t=\t 1 \t": ("A", "1"),
    "A=": ("A", ""),
    "_a9 = x = y": ("_a9", "x = y"),
    "A=b c": ("A", "b c"),
    "A='b c '": ("A", "b c "),
    'A=" b "  ': ("A", " b "),
    "A=''": ("A", ""),
    'A="it\'s"': ("A", "it's"),
    "A='{\"b\": 1}'": ("A", '{"b": 1}'),
    # not wholly in quotes
    "A='": ("A", "'"),
    'A="b': ("A", '"b'),
    "A='b\"": ("A", "'b\""),
    'A="b" "c"': ("A", '"b" "c"'),
    'A=b"c"': ("A", 'b"c"'),
    # nothing is expanded or escaped, nothing is a comment
    "A=$HOME `x` \\n %s # b": ("A", "$HOME `x` \\n %s # b"),
    "export A=1": ("A", "1"),
    "export \t A = 1": ("A", "1"),
    "export=1": ("export", "1"),
    "export = 1": ("export", "1"),
    "A=é": ("A", "é"),
}

#: Files that are none, the line that says so, and a word of what it says.
ERRORS: dict[bytes, tuple[int, str]] = {
    b"\xef\xbb\xbfA=1\n": (1, "byte order mark"),
    b"A=1\nB=\xff\n": (2, "UTF-8"),
    b"A=1\nB=a\0b\n": (2, "NUL"),
    b"A\n": (1, "VARIABLE=VALUE"),
    b"export A\n": (1, "VARIABLE=VALUE"),
    b"=1\n": (1, "VARIABLE=VALUE"),
    b"1A=1\n": (1, "VARIABLE=VALUE"),
    b"A B=1\n": (1, "VARIABLE=VALUE"),
    b"A.B=1\n": (1, "VARIABLE=VALUE"),
    b"A: 1\n": (1, "VARIABLE=VALUE"),
    b"A=1\n\n#\nA=1\n": (4, "A is declared a second time"),
    b"A=1\\\n": (1, "backslash"),
}

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,9}", fullmatch=True)
VALUES = st.text(st.characters(exclude_characters="\0\n\r'", exclude_categories=["Cs"]))

#: Machines that run tests may be busy.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


class DotenvTests(SynchronousTestCase):
    """
    Tests of L{parse}.
    """

    def test_lines(self) -> None:
        """
        A value loses the white space around it and the quotes around all of it.
        """
        for line, (name, value) in LINES.items():
            with self.subTest(line=line):
                self.assertEqual(parse(f"{line}\n".encode()), {name: value})

    def test_errors(self) -> None:
        """
        Anything else is an error that names its line, and not the value.
        """
        for data, (line, why) in ERRORS.items():
            with self.subTest(data=data):
                error = self.assertRaises(DotenvError, parse, data)
                self.assertEqual(error.line, line)
                self.assertIn(why, error.why)

    def test_file(self) -> None:
        """
        Blank lines, comments and CRLF are ignored, lines are continued, and the
        order is kept.
        """
        data = b"# x \\\n\r\n B=1 \\\r\n   2\\\n3\r\n\nA='4 \\\n 5'"
        self.assertEqual(list(parse(data).items()), [("B", "1 2 3"), ("A", "4 5")])

    @PATIENT
    @given(st.binary())
    def test_anyBytes(self, data: bytes) -> None:
        """
        Whatever the bytes, there are variables or a L{DotenvError} within the file.
        """
        for text in (data, b"A = " + data):
            try:
                variables = parse(text)
            except DotenvError as error:
                self.assertTrue(1 <= error.line <= text.count(b"\n") + 1)
            else:
                self.assertFalse(any("\n" in v or "\0" in v for v in variables.values()))

    @PATIENT
    @given(st.dictionaries(NAMES, VALUES))
    def test_roundTrip(self, variables: dict[str, str]) -> None:
        """
        Variables written in quotes are read as they were.
        """
        data = "".join(f"{name}='{value}'\n" for name, value in variables.items())
        self.assertEqual(parse(data.encode()), variables)
