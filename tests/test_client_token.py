"""
L{smartmob.client.token}, and the verbs of the command line that it is for.
"""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from hashlib import sha256
from pathlib import Path
from shutil import rmtree

from twisted.trial.unittest import SynchronousTestCase

from smartmob.client.cli import main
from smartmob.config.load import default
from smartmob.config.overrides import Overrides
from smartmob.permit import Permit, Scope
from smartmob.tokens import LONGEST, Tokens
from tests.support.users import another_user

TOKEN = "correct-horse-battery-staple"
CLIENT = (sys.executable, "-c", "from smartmob.client.cli import main; main()")


class CommandCase(SynchronousTestCase):
    """
    The client, in this process.
    """

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="smartmob-"))
        self.addCleanup(rmtree, self.folder)
        self.file = self.folder / "tokens"

    def smartmob(self, *words: str, given: bytes = b"") -> tuple[int, str, str]:
        """
        The exit code of a command line, and what it wrote.

        @param given: What is on standard input.
        """
        out, err = io.StringIO(), io.StringIO()
        self.patch(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        with redirect_stdout(out), redirect_stderr(err):
            code = self.assertRaises(SystemExit, main, words).code
        assert isinstance(code, int)
        return code, out.getvalue(), err.getvalue()

    def printed(self, *words: str, given: bytes = b"") -> str:
        """
        The line that a command prints, which is all that it says.
        """
        code, out, err = self.smartmob(*words, given=given)
        self.assertEqual((code, err), (0, ""))
        self.assertEqual(out.count("\n"), 1)
        return out.removesuffix("\n")

    def failure(self, *words: str, given: bytes = b"", code: int = 1) -> str:
        """
        What a command says that fails.
        """
        got, out, err = self.smartmob(*words, given=given)
        self.assertEqual((got, out), (code, ""), err)
        return err.splitlines()[-1]


class NewTests(CommandCase):
    """
    C{smartmob token new}.
    """

    def new(self, *words: str) -> str:
        """
        The token that goes to the file.
        """
        return self.printed("token", "new", "--to", str(self.file), *words)

    def tokens(self) -> Tokens:
        """
        What an agent takes from the file.
        """
        tokens = default(Overrides(token_file=str(self.file)), {}).settings.tokens
        assert tokens is not None
        return tokens

    def test_alone(self) -> None:
        """
        It prints a token, which is another one each time, and writes nothing.
        """
        tokens = {self.printed("token", "new") for _ in range(20)}
        self.assertEqual(len(tokens), 20)
        for token in tokens:
            self.assertRegex(token, r"\A[A-Za-z0-9_][A-Za-z0-9_-]{42}\Z")
        self.assertEqual(os.listdir(self.folder), [])

    def test_file(self) -> None:
        """
        The file is made for its user alone, and lets the tokens in that were printed, each
        for what it was made for.
        """
        tokens = {
            self.new(): Permit(scope=Scope.ADMIN),
            self.new("--scope", "read"): Permit(scope=Scope.READ),
            self.new("--apps", "shop-*"): Permit(scope=Scope.ADMIN, apps="shop-*"),
            self.new("--name", "ada", "--scope", "write"): Permit(
                scope=Scope.WRITE, name="ada"
            ),
            self.new("--name", "ci", "--apps", "web"): Permit(
                scope=Scope.ADMIN, apps="web", name="ci"
            ),
        }
        self.assertEqual(self.file.stat().st_mode & 0o777, 0o600)
        taken = self.tokens()
        self.assertEqual(len(taken), len(tokens))
        for token, permit in tokens.items():
            found = taken.permit(token.encode())
            assert found is not None
            self.assertEqual(
                (found.scope, found.apps, found.name), (permit.scope, permit.apps, permit.name)
            )

    def test_umask(self) -> None:
        """
        Whatever the umask is, the file is for its user alone.
        """
        self.addCleanup(os.umask, os.umask(0))
        self.new()
        self.assertEqual(self.file.stat().st_mode & 0o777, 0o600)

    def test_hashed(self) -> None:
        """
        With C{--hashed} the file has the digest, not the token, and lets the token in.
        """
        token = self.new("--hashed", "--name", "ada")
        text = self.file.read_text()
        self.assertEqual(text, f"sha256:{sha256(token.encode()).hexdigest()} admin * ada\n")
        self.assertIsNotNone(self.tokens().permit(token.encode()))

    def test_added(self) -> None:
        """
        What the file has stays, also where its last line has no end.
        """
        self.file.write_text(f"# ours\n{TOKEN} read")
        self.file.chmod(0o600)
        token = self.new()
        self.assertEqual(self.file.read_text(), f"# ours\n{TOKEN} read\n{token} admin\n")

    def test_open(self) -> None:
        """
        A file that others can read, or write, gets no token.
        """
        for mode, verb in (
            (0o640, "read"),
            (0o604, "read"),
            (0o620, "written"),
            (0o602, "written"),
        ):
            self.file.write_text("")
            self.file.chmod(mode)
            self.assertEqual(
                self.failure("token", "new", "--to", str(self.file)),
                f"smartmob: {self.file} can be {verb} by others: chmod 600 would do",
            )
            self.assertEqual(self.file.read_text(), "")

    def test_owner(self) -> None:
        """
        Nor does one that belongs to somebody else, who may have put it there for that.
        """
        nobody = another_user().uid
        self.file.write_text("")
        self.file.chmod(0o600)
        os.chown(self.file, nobody, -1)
        self.assertEqual(
            self.failure("token", "new", "--to", str(self.file)),
            f"smartmob: {self.file} belongs to user {nobody}, who could read it and change it",
        )
        self.assertEqual(self.file.read_text(), "")

    def test_another(self) -> None:
        """
        What is no file of tokens stays as it is.
        """
        for content, why in (
            (b"export PATH=/bin\n", "is no file of tokens: line 1 has a token that is shorter"),
            (b"\xff\xfe", "is no file of tokens: it is not UTF-8"),
            (b"#" * (1 << 20) + b"\n", "has more than 1 MiB"),
        ):
            self.file.write_bytes(content)
            self.file.chmod(0o600)
            said = self.failure("token", "new", "--to", str(self.file))
            self.assertIn(f"smartmob: {self.file} {why}", said)
            self.assertEqual(self.file.read_bytes(), content)

    def test_noFile(self) -> None:
        """
        What can't be written to is said.
        """
        os.mkfifo(self.folder / "fifo", 0o600)
        for name, why in (
            ("missing/tokens", "can't be written: No such file or directory"),
            (".", "can't be written: Is a directory"),
            ("fifo", "is no plain file"),
        ):
            path = f"{self.folder}/{name}"
            self.assertEqual(
                self.failure("token", "new", "--to", path), f"smartmob: {path} {why}"
            )

    def test_usage(self) -> None:
        """
        What makes no sense, and a token as an argument, is a usage error; no file is made.
        """
        to = ("--to", str(self.file))
        for words, why in (
            (("--name", "ada"), "--to FILE"),
            (("--hashed",), "--to FILE"),
            ((*to, "--scope", "root"), "'root'"),
            ((*to, "--name", "ada lovelace"), "a name of other characters"),
            ((*to, "--name", "#ada"), "a name of other characters"),
            ((*to, "--apps", "shop/*"), "no app can match"),
            ((*to, "--apps", ""), "has no app"),
            ((TOKEN,), "a token is no argument"),
        ):
            self.assertIn(why, self.failure("token", "new", *words, code=2), words)
        self.assertFalse(self.file.exists())

    def test_full(self) -> None:
        """
        Where nobody gets to see the token, that is a failure.
        """
        with open("/dev/full", "wb") as full:
            done = subprocess.run(
                [*CLIENT, "token", "new"],
                check=False,
                stdout=full,
                stderr=subprocess.PIPE,
            )
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr.count(b"\n"), 1, done.stderr)
        self.assertIn(b"No space left on device", done.stderr)


class HashTests(CommandCase):
    """
    C{smartmob token hash}.
    """

    def test_input(self) -> None:
        """
        It prints what stands for the token on standard input, whatever end its line has.
        """
        digest = f"sha256:{sha256(TOKEN.encode()).hexdigest()}"
        for end in ("", "\n", "\r\n"):
            given = f"{TOKEN}{end}".encode()
            self.assertEqual(self.printed("token", "hash", given=given), digest)
        longest = b"x" * LONGEST
        self.assertEqual(
            self.printed("token", "hash", given=longest + b"\r\n"),
            f"sha256:{sha256(longest).hexdigest()}",
        )

    def test_bad(self) -> None:
        """
        What is no token is not shown, only what is wrong with it.
        """
        for given, why in (
            (b"", "there is no token"),
            (b"\n", "there is no token"),
            (b"secret", "is shorter than 20 characters"),
            (b"secret" * 500, f"is longer than {LONGEST} characters"),
            (b"secret words, of which there are some\n", "has other characters"),
            ("secret-\N{SNOWMAN}-secret-secret\n".encode(), "has other characters"),
            (b"secret-\xff-secret-secret-secret\n", "has other characters"),
            (f"secret{TOKEN}\nsecret{TOKEN}\n".encode(), "more than a line"),
            (f"sha256:{'0' * 64}\n".encode(), "is a digest already"),
        ):
            said = self.failure("token", "hash", given=given)
            self.assertIn(why, said)
            self.assertNotIn("secret", said)

    def test_argument(self) -> None:
        """
        A token as an argument is refused, and not said again.
        """
        for words in ((TOKEN,), (f"-{TOKEN}",), ("--token", TOKEN), ("x", TOKEN)):
            code, out, err = self.smartmob("token", "hash", *words, given=TOKEN.encode())
            self.assertEqual((code, out), (2, ""))
            self.assertIn("other users see command lines", err)
            self.assertNotIn(TOKEN, err)

    def test_terminal(self) -> None:
        """
        At a terminal it asks, and what is typed is not shown.
        """
        ours, its = pty.openpty()
        self.addCleanup(os.close, ours)
        client = subprocess.Popen(
            [*CLIENT, "token", "hash"],
            stdin=its,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # with no terminal but that
        )
        os.close(its)
        assert client.stderr is not None
        prompt = client.stderr.read(len("Token: "))
        os.write(ours, f"{TOKEN}\n".encode())
        out, err = client.communicate(timeout=60)
        self.assertEqual((client.returncode, prompt), (0, b"Token: "), err)
        self.assertEqual(out, f"sha256:{sha256(TOKEN.encode()).hexdigest()}\n".encode())
        try:
            shown = os.read(ours, 1000)
        except OSError:  # nobody has the other end any more, and nothing was written
            shown = b""
        self.assertNotIn(TOKEN.encode(), shown)
