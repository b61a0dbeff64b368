"""
Tests of L{smartmob.procfile} and L{smartmob.shell_words}.
"""

from __future__ import annotations

import shlex
import subprocess

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smartmob.procfile import ProcessType, ProcfileError, parse
from smartmob.shell_words import plain_words

#: What a Procfile line is read as: the command and its variables.
LINES: dict[str, tuple[str, dict[str, str]]] = {
    "python app.py": ("python app.py", {}),
    "echo 'a  b' | cat && x; y &": ("echo 'a  b' | cat && x; y &", {}),
    "run --at=1 B=2": ("run --at=1 B=2", {}),
    "a:b c: d": ("a:b c: d", {}),
    "run # all of it": ("run # all of it", {}),
    "run trailing\\ ": ("run trailing\\ ", {}),
    "A=1 run": ("run", {"A": "1"}),
    "A=1  B_2=x=y \t run  it": ("run  it", {"A": "1", "B_2": "x=y"}),
    "A= run": ("run", {"A": ""}),
    "A='b c' run": ("run", {"A": "b c"}),
    "A=\"b  c\"d'e'\\ f run": ("run", {"A": "b  cde f"}),
    'A="\\$x \\"y\\" \\n" run': ("run", {"A": '$x "y" \\n'}),
    "A='\\' run": ("run", {"A": "\\"}),
    "A=$HOME B=~ C=* run $A": ("run $A", {"A": "$HOME", "B": "~", "C": "*"}),
    "A=$(date +%s) run": ("run", {"A": "$(date +%s)"}),
    'A="$(echo "x y")" run': ("run", {"A": '$(echo "x y")'}),
    "A=`date +%s`z run": ("run", {"A": "`date +%s`z"}),
    "A=${B:-c d} run": ("run", {"A": "${B:-c d}"}),
    "A=$(a (b ')' \\) \"(\" ${c}) `)`) run": (
        "run",
        {"A": "$(a (b ')' \\) \"(\" ${c}) `)`)"},
    ),
    "A=é run": ("run", {"A": "é"}),
    "env A=1 B='2 3' run -x": ("run -x", {"A": "1", "B": "2 3"}),
    "env  A=1 ./run.sh": ("./run.sh", {"A": "1"}),
    "A=1 env B=2 run": ("env B=2 run", {"A": "1"}),
    "A=1 exec run": ("exec run", {"A": "1"}),
    "A=1 >log run": (">log run", {"A": "1"}),
    # left to the shell, since it would not take them for variables of a command
    "env -u A B=1 run": ("env -u A B=1 run", {}),
    "env -i run": ("env -i run", {}),
    "env run": ("env run", {}),
    "env": ("env", {}),
    "env A=1": ("env A=1", {}),
    "env A=1 -u B run": ("env A=1 -u B run", {}),
    "env A=1 b-c=2 run": ("env A=1 b-c=2 run", {}),
    "env A=1 $PROGRAM": ("env A=1 $PROGRAM", {}),
    "envy A=1 run": ("envy A=1 run", {}),
    "A=1; run": ("A=1; run", {}),
    "A=1 && run": ("A=1 && run", {}),
    "A=1 ; run": ("A=1 ; run", {}),
    "A=b&c run": ("A=b&c run", {}),
    "A=1 # nothing": ("A=1 # nothing", {}),
    "A+=1 run": ("A+=1 run", {}),
    "1A=1 run": ("1A=1 run", {}),
    "'A'=1 run": ("'A'=1 run", {}),
}

#: Files that are none, the line that says so, and a word of what it says.
ERRORS: dict[bytes, tuple[int, str]] = {
    b"\xef\xbb\xbfweb: run\n": (1, "byte order mark"),
    b"web: run\n\nx: \xff\n": (3, "UTF-8"),
    b"web: run\nx: a\0b\n": (2, "NUL"),
    b"web: run\nworker\n": (2, "TYPE: COMMAND"),
    b"web worker: run\n": (1, "TYPE: COMMAND"),
    b"web : run\n": (1, "TYPE: COMMAND"),
    b": run\n": (1, "TYPE: COMMAND"),
    b"_web: run\n": (1, "TYPE: COMMAND"),
    b"w.eb: run\n": (1, "TYPE: COMMAND"),
    b"w" * 101 + b": run\n": (1, "TYPE: COMMAND"),
    b"web:\n": (1, "no command"),
    b"web: \t \n": (1, "no command"),
    b"web: A=1 B=2\n": (1, "no command"),
    b"web: run\n# x\nweb: run\n": (3, "second time"),
    b"web: A=1 A=2 run\n": (1, "A a second time"),
    b"a: b \\\n c\nweb: run \\\n": (3, "backslash"),
    b"web: run \\": (1, "backslash"),
    b"web: A='1 run\n": (1, "' is not closed"),
    b'x: y\nweb: A="1 run\n': (2, '" is not closed'),
    b"web: A=$(x run\n": (1, "$( or ${ is not closed"),
    b'web: A=$("x run\n': (1, '" is not closed'),
    b"web: A=`x run\n": (1, "` is not closed"),
    b"<html>\n": (1, "TYPE: COMMAND"),
}

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,9}", fullmatch=True)
TYPES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", fullmatch=True)
TEXT = st.text(st.characters(exclude_characters="\0\n\r", exclude_categories=["Cs"]))
COMMANDS = st.from_regex(r"[a-z./][^\0\n\r]*[^\0\n\r\\\s]", fullmatch=True).filter(
    lambda text: not text.startswith("env") and "=" not in text and text.isprintable()
)

#: Machines that run tests may be busy.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


class ProcfileTests(SynchronousTestCase):
    """
    Tests of L{parse}.
    """

    def test_lines(self) -> None:
        """
        Leading assignments are parted from a command whose text stays as it is.
        """
        for line, (command, env) in LINES.items():
            with self.subTest(line=line):
                types = parse(f"web: {line}\n".encode())
                self.assertEqual(types, {"web": ProcessType(command, env)})

    def test_errors(self) -> None:
        """
        Anything else is an error that names its line.
        """
        for data, (line, why) in ERRORS.items():
            with self.subTest(data=data):
                error = self.assertRaises(ProcfileError, parse, data)
                self.assertEqual(error.line, line)
                self.assertIn(why, error.why)
                self.assertEqual(str(error), f"line {line}: {error.why}")

    def test_file(self) -> None:
        """
        Leading white space, blank lines, comments and CRLF are ignored, and the
        order is kept.
        """
        data = b"# a comment \\\r\n\r\n  \tweb:run\r\n \t\n\t# b\n worker-2:  work  it\nW_3: c"
        self.assertEqual(
            list(parse(data).items()),
            [
                ("web", ProcessType("run")),
                ("worker-2", ProcessType("work  it")),
                ("W_3", ProcessType("c")),
            ],
        )

    def test_empty(self) -> None:
        """
        A file without a line that says something declares nothing.
        """
        self.assertEqual(parse(b""), {})
        self.assertEqual(parse(b"\n # x\n"), {})

    def test_continued(self) -> None:
        """
        A backslash at a line's end joins the next line as one space, whatever that
        line looks like; line numbers count the lines of the file.
        """
        data = b"web: A=1 \\\n    run \\\r\n  # x\\\n\nworker\n"
        error = self.assertRaises(ProcfileError, parse, data)
        self.assertEqual(error.line, 5)
        self.assertEqual(parse(data[:-7]), {"web": ProcessType("run # x ", {"A": "1"})})

    def test_valuesStaySecret(self) -> None:
        """
        The value of a variable is not in the representation of a type.
        """
        self.assertNotIn("s3cret", repr(parse(b"web: A=s3cret run")))

    @PATIENT
    @given(st.binary())
    @example(b"web: \\\n\\\n\\")
    @example(b"web: A=\\")
    def test_anyBytes(self, data: bytes) -> None:
        """
        Whatever the bytes, there are types or a L{ProcfileError} within the file.
        """
        self.check_anything(b"web: " + data)
        self.check_anything(data)

    @PATIENT
    @given(st.text(alphabet="A=1 '\"\\$`(){};&|#\nenv:x\t-"))
    def test_anyText(self, text: str) -> None:
        """
        Whatever the quotes and expansions, there are types or a L{ProcfileError}.
        """
        self.check_anything(b"web: A=" + text.encode())

    def check_anything(self, data: bytes) -> None:
        """
        Assert that C{data} is read, or refused for one of its lines.
        """
        try:
            types = parse(data)
        except ProcfileError as error:
            self.assertTrue(1 <= error.line <= data.count(b"\n") + 1)
        else:
            for process_type in types.values():
                self.assertTrue(process_type.command.strip())

    @PATIENT
    @given(st.dictionaries(TYPES, st.tuples(st.dictionaries(NAMES, TEXT), COMMANDS)))
    def test_roundTrip(self, types: dict[str, tuple[dict[str, str], str]]) -> None:
        """
        Types written with their values quoted as for a shell are read as they were.
        """
        lines = []
        for name, (env, command) in types.items():
            words = [f"{variable}={shlex.quote(value)}" for variable, value in env.items()]
            lines.append(f"{name}: {' '.join([*words, command])}\n")
        self.assertEqual(
            parse("".join(lines).encode()),
            {name: ProcessType(command, env) for name, (env, command) in types.items()},
        )


class PlainWordsTests(SynchronousTestCase):
    """
    Tests of L{plain_words}.
    """

    def test_plain(self) -> None:
        """
        Plain words are an argument vector, C{exec} is not one of them.
        """
        for command, words in {
            "python app.py": ("python", "app.py"),
            " \tpython  -u\tapp.py ": ("python", "-u", "app.py"),
            "exec python app.py": ("python", "app.py"),
            "./run --at=1 A=2 50% +x a,b x@y if": (
                *("./run", "--at=1", "A=2", "50%", "+x", "a,b", "x@y", "if"),
            ),
            "exec exec-it": ("exec-it",),
        }.items():
            self.assertEqual(plain_words(command), words)

    def test_notPlain(self) -> None:
        """
        What a shell could make something else of is left to it.
        """
        for command in (
            *("", "  ", "exec", "exec -a x run", "exec A=1 run", "exec exec run", "-run"),
            *("A=1", "A=1 run", "a'b'", 'a "b"', "a\\ b", "a $B", "a `b`", "a *", "a ?"),
            *("a [b]", "a {b,c}", "a ~", "~/a", "a !", "! a", "a #b", "a;b", "a & b", "a|b"),
            *("a > b", "a < b", "(a)", "a ^ b", "a\nb", "a\rb", "a é", "%1"),
            *("echo a", "cd /", ". ./a", ": a", "if a", "true", "time a", "while a", "test a"),
        ):
            self.assertIs(plain_words(command), None, command)

    @PATIENT
    @given(st.text(alphabet="ab=/.,:@%+-_09 \t'\"\\$*~#é"))
    def test_asAShell(self, command: str) -> None:
        """
        The words are those that a shell's lexer sees.
        """
        words = plain_words(command)
        if words is not None:
            self.assertEqual(list(words), shlex.split(command))

    def test_asThisShell(self) -> None:
        """
        C{/bin/sh} takes plain words as they are.
        """
        line = "x A=2 --at=1 50% +x a,b x@y if done -n a:b .. / //a a=~b ,".replace("~", "")
        output = subprocess.run(
            ["/bin/sh", "-c", f"printf '%s\\n' {line}"], stdout=subprocess.PIPE, check=True
        ).stdout
        self.assertEqual(tuple(output.decode().split()), plain_words(line))
