"""
L{smartmob.config.token_file}, and what command line and configuration say of it.
"""

from __future__ import annotations

import os
import re

from smartmob.config.configuration import BadConfiguration
from smartmob.config.load import default
from smartmob.config.overrides import Overrides
from smartmob.permit import Scope
from smartmob.tokens import Tokens
from tests.support.configuring import ConfigurationTestCase
from tests.support.users import another_user

ONE = "one-token-of-good-length"
TWO = "two-tokens-of-good-length"
NAMED = "[smartmob]\ntoken_file = tokens\n"


class TokenFileTests(ConfigurationTestCase):
    """
    C{token_file}.
    """

    def tokens(self, text: str = NAMED, overrides: Overrides | None = None) -> Tokens:
        """
        Those that a configuration has.
        """
        tokens = self.load(text, overrides or Overrides()).settings.tokens
        assert tokens is not None
        return tokens

    def refused(self, text: str = NAMED) -> str:
        """
        The one thing that is wrong with a configuration, which has no token in it.
        """
        [mistake] = self.mistakes(text)
        self.assertNotIn(ONE, mistake)
        return mistake

    def test_none(self) -> None:
        """
        Where there is no such file, nobody is asked.
        """
        self.assertIsNone(self.load("").settings.tokens)
        self.assertIsNone(default(Overrides(), {}).settings.tokens)

    def test_folder(self) -> None:
        """
        A relative path begins where the file is.
        """
        self.write("tokens", ONE, 0o600)
        self.write("folder/tokens", TWO, 0o600)
        for path, token in (("tokens", ONE), ("folder/tokens", TWO)):
            tokens = self.tokens(f"[smartmob]\ntoken_file = {path}\n")
            self.assertIsNotNone(tokens.permit(token.encode()))

    def test_commandLine(self) -> None:
        """
        What the command line names wins, with a file and without one.
        """
        self.write("tokens", ONE, 0o600)
        other = self.write("others", f"{TWO} read", 0o400)
        overrides = Overrides(token_file=os.fspath(other))
        for tokens in (
            self.tokens(NAMED, overrides),
            self.tokens("[smartmob]\ntoken_file = missing\n", overrides),
            default(overrides, {}).settings.tokens,
        ):
            assert tokens is not None
            self.assertIsNone(tokens.permit(ONE.encode()))
            permit = tokens.permit(TWO.encode())
            assert permit is not None
            self.assertIs(permit.scope, Scope.READ)

    def test_commandLineMistake(self) -> None:
        """
        What is wrong with the file of the command line is said of the option.
        """
        path = os.fspath(self.folder / "missing")
        overrides = Overrides(token_file=path)
        said = f"command line: --token-file: {path} can't be read: No such file or directory"
        self.assertEqual(self.mistakes(NAMED, overrides), [said.replace(f"{self.folder}/", "")])
        bad = self.assertRaises(BadConfiguration, default, overrides, {})
        self.assertEqual(str(bad), said)

    def test_mode(self) -> None:
        """
        Only its user may read it, or write to it.
        """
        path = self.write("tokens", ONE)
        for mode in (0o600, 0o400, 0o700):
            path.chmod(mode)
            self.assertEqual(len(self.tokens()), 1, oct(mode))
        for mode in range(1, 0o100):
            path.chmod(0o600 | mode)
            if not mode & 0o66:
                self.assertEqual(len(self.tokens()), 1, oct(mode))
                continue
            verb = "read" if mode & 0o44 else "written"
            self.assertEqual(
                self.refused(),
                f"agent.ini:2: [smartmob] token_file: tokens can be {verb} by others: "
                "chmod 600 would do",
            )

    def test_owner(self) -> None:
        """
        One that belongs to another user is theirs to change, whatever its mode, unless the
        service manager handed it down.
        """
        nobody = another_user().uid
        path = self.write("tokens", ONE, 0o600)
        os.chown(path, nobody, -1)
        self.assertEqual(
            self.refused(),
            f"agent.ini:2: [smartmob] token_file: tokens belongs to user {nobody}, who could "
            "read it and change it",
        )
        self.environ["CREDENTIALS_DIRECTORY"] = os.fspath(self.folder)
        self.assertEqual(len(self.tokens()), 1)

    def test_credential(self) -> None:
        """
        What the service manager handed down may be readable: its folder is not.
        """
        path = self.write("credentials/tokens", ONE, 0o440)
        text = f"[smartmob]\ntoken_file = {path}\n"
        credentials = os.fspath(path.parent)
        for folder in (credentials, f"{credentials}/"):
            self.environ["CREDENTIALS_DIRECTORY"] = folder
            self.assertEqual(len(self.tokens(text)), 1)
        for folder in ("", os.fspath(self.folder / "cred"), f"{path}"):
            self.environ["CREDENTIALS_DIRECTORY"] = folder
            self.assertIn("can be read by others", self.refused(text))

    def test_credentialUnnamed(self) -> None:
        """
        One that it handed down as C{tokens} is used where nobody names another.
        """
        self.write("credentials/tokens", ONE, 0o440)
        self.environ["CREDENTIALS_DIRECTORY"] = os.fspath(self.folder / "credentials")
        alone = default(Overrides(), self.environ).settings.tokens
        for tokens in (self.tokens(""), alone):
            assert tokens is not None
            self.assertIsNotNone(tokens.permit(ONE.encode()))
        self.write("tokens", TWO, 0o600)
        self.assertIsNotNone(self.tokens().permit(TWO.encode()))
        self.write("credentials/tokens", "short", 0o440)
        self.assertIn("credentials/tokens:1", self.refused(""))
        (self.folder / "credentials" / "tokens").unlink()
        self.assertIsNone(self.load("").settings.tokens)

    def test_credentialUnusable(self) -> None:
        """
        One that is no file is said, and nobody is let in without.
        """
        (self.folder / "tokens").mkdir()
        self.environ["CREDENTIALS_DIRECTORY"] = os.fspath(self.folder)
        self.assertIn("systemd: LoadCredential: ", self.refused(""))

    def test_links(self) -> None:
        """
        What a link leads to is what counts: its mode, and whether it is a credential.
        """
        path = self.write("credentials/there", ONE, 0o644)
        (self.folder / "tokens").symlink_to(path)
        self.assertIn("can be read by others", self.refused())
        self.environ["CREDENTIALS_DIRECTORY"] = os.fspath(path.parent)
        self.assertEqual(len(self.tokens()), 1)
        outside = self.write("outside", ONE, 0o644)
        (path.parent / "out").symlink_to(outside)
        text = "[smartmob]\ntoken_file = credentials/out\n"
        self.assertIn("can be read by others", self.refused(text))
        path.chmod(0o600)
        self.environ.clear()
        self.assertEqual(len(self.tokens()), 1)

    def test_noFile(self) -> None:
        """
        What is no plain file, or too large, holds nobody up.
        """
        self.write("large", f"{ONE}\n" + "#" * (1 << 20), 0o600)
        (self.folder / "folder").mkdir(mode=0o700)
        os.mkfifo(self.folder / "pipe", 0o600)
        (self.folder / "loop").symlink_to("loop")
        (self.folder / "nowhere").symlink_to("missing")
        for name, why in {
            "large": "has more than 1 MiB",
            "folder": "is no plain file",
            "pipe": "is no plain file",
            "/dev/zero": "is no plain file",
            "loop": "can't be read: Too many levels of symbolic links",
            "nowhere": "can't be read: No such file or directory",
            "missing": "can't be read: No such file or directory",
        }.items():
            self.assertEqual(
                self.refused(f"[smartmob]\ntoken_file = {name}\n"),
                f"agent.ini:2: [smartmob] token_file: {name} {why}",
            )

    def test_lines(self) -> None:
        """
        What is wrong in it is said with its line, all at once, and never with what it has.
        """
        self.write("tokens", f"# ours\n{ONE} reed\n\nsecret\n{TWO} read\n{ONE} * ada\n", 0o600)
        mistakes = self.mistakes(NAMED)
        self.assertEqual(
            [mistake.partition(": ")[0] for mistake in mistakes],
            ["tokens:2", "tokens:4", "tokens:6"],
        )
        for word in (ONE, TWO, "reed", "secret", "ada"):
            self.assertNotIn(word, "".join(mistakes))

    def test_text(self) -> None:
        """
        It is UTF-8, of which tokens are ASCII; some editors say so at its beginning.
        """
        self.write("tokens", ONE.encode("utf-8-sig"), 0o600)
        self.assertEqual(len(self.tokens()), 1)
        self.write("tokens", f"# caf\N{LATIN SMALL LETTER E WITH ACUTE}\n{ONE}", 0o600)
        self.assertEqual(len(self.tokens()), 1)
        self.write("tokens", ONE.encode() + b"\n# caf\xe9\n", 0o600)
        said = "agent.ini:2: [smartmob] token_file: tokens is not UTF-8"
        self.assertEqual(self.refused(), said)
        self.write("tokens", ONE.encode("utf-16"), 0o600)
        self.assertEqual(self.refused(), said)

    def test_empty(self) -> None:
        """
        One without tokens lets nobody in, which is odd.
        """
        for text in ("", "# nobody\n"):
            self.write("tokens", text, 0o600)
            [said] = self.warnings(NAMED)
            self.assertEqual(
                said,
                "agent.ini:2: [smartmob] token_file: tokens has no token, so nobody can use "
                "the agent",
            )
            self.assertEqual(len(self.tokens()), 0)

    def test_users(self) -> None:
        """
        Users who need no token are odd where nobody needs one.
        """
        path = self.write("tokens", ONE, 0o600)
        users = "[smartmob]\nunix_users = ada\n"
        [said] = self.warnings(users)
        self.assertEqual(
            said, "agent.ini:2: [smartmob] unix_users: nobody needs a token without token_file"
        )
        self.assertEqual(self.warnings(f"{users}token_file = tokens\n"), [])
        self.assertEqual(self.warnings(users, Overrides(token_file=os.fspath(path))), [])

    def test_others(self) -> None:
        """
        It is told of together with all else that is wrong.
        """
        self.write("tokens", "short", 0o600)
        said = self.mistakes(f"{NAMED}backlog = many\n")
        self.assertEqual(len(said), 2, said)
        self.assertTrue(all(re.match(r"(tokens:1|agent.ini:3): ", each) for each in said), said)
