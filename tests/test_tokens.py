"""
L{smartmob.tokens} and L{smartmob.permit}.
"""

from __future__ import annotations

import string
from fnmatch import fnmatchcase
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smartmob.permit import EVERYTHING, Permit, Scope
from smartmob.tokens import (
    LONGEST,
    SHORTEST,
    BadTokens,
    Tokens,
    hashed,
    new_token,
    parse,
    written,
)
from tests.support.fuzzing import tries

ONE = "one-token-of-good-length"
TWO = "two-tokens-of-good-length"

VISIBLE = "".join(map(chr, range(33, 127)))
NAME = st.text(string.ascii_letters + string.digits + "._@:+-", max_size=20)
GLOB = st.text(string.ascii_letters + string.digits + "_*?[]!-", min_size=1, max_size=20)
TOKEN = st.text(VISIBLE, min_size=SHORTEST, max_size=60).filter(
    lambda token: not token.startswith(("#", "sha256:"))
)
BLANKS = st.text(" \t", min_size=1, max_size=3)
NOISE = st.sampled_from(["", "   ", "# a comment", "  # sha256:", "\t", "#", "\r"])


def permit_of(text: str, token: str = ONE) -> Permit | None:
    """
    What a token permits by a file.
    """
    return parse(text).permit(token.encode())


class PermitTests(SynchronousTestCase):
    """
    L{Permit}.
    """

    def test_scopes(self) -> None:
        """
        Each scope may do what it is for and what those before it may, and none does nothing.
        """
        for scope in Scope:
            permit = Permit(scope=scope)
            self.assertEqual(
                [each.word for each in Scope if permit.may(each)],
                ["none", "read", "write", "admin"][: scope + 1],
            )

    def test_apps(self) -> None:
        """
        A glob covers whole names, and case counts.
        """
        permit = Permit(scope=Scope.READ, apps="shop-*")
        self.assertTrue(permit.limited)
        for app, seen in (
            ("shop-", True),
            ("shop-1", True),
            ("shop", False),
            ("a-shop-1", False),
            ("Shop-1", False),
            ("", False),
        ):
            self.assertEqual(permit.sees(app), seen, app)

    def test_all(self) -> None:
        """
        All apps are no limit.
        """
        self.assertFalse(EVERYTHING.limited)
        self.assertTrue(EVERYTHING.sees("whatever"))
        self.assertTrue(EVERYTHING.may(Scope.ADMIN))
        self.assertTrue(Permit(scope=Scope.ADMIN, apps="**").limited)

    def test_equal(self) -> None:
        """
        Those of two tokens differ, and so do two of one that may do other things; a name
        makes no difference.
        """
        permit = Permit(scope=Scope.READ, key=b"1", name="ada")
        self.assertEqual(permit, Permit(scope=Scope.READ, key=b"1", name="bob"))
        for other in (
            Permit(scope=Scope.READ, key=b"2", name="ada"),
            Permit(scope=Scope.WRITE, key=b"1", name="ada"),
            Permit(scope=Scope.READ, key=b"1", name="ada", apps="a"),
        ):
            self.assertNotEqual(permit, other)

    def test_shown(self) -> None:
        """
        What a log or a traceback shows of one has nothing of its token.
        """
        permit = permit_of(f"{ONE} read")
        assert permit is not None
        for secret in (ONE, sha256(ONE.encode()).hexdigest(), repr(permit.key)):
            self.assertNotIn(secret, f"{permit} {permit!r}")


class ParseTests(SynchronousTestCase):
    """
    L{parse}.
    """

    def assertMistakes(self, text: str, *mistakes: tuple[int, str]) -> None:
        """
        These are found, each a line and the beginning of a sentence; none has anything that
        the file has.
        """
        bad = self.assertRaises(BadTokens, parse, text)
        self.assertEqual([line for line, _ in bad.mistakes], [line for line, _ in mistakes])
        for (_, said), (_, why) in zip(bad.mistakes, mistakes, strict=True):
            self.assertTrue(said.startswith(why), said)
        words = [word for word in text.split() if len(word) > 5]
        self.assertEqual([word for word in words if word in str(bad)], [])

    def test_line(self) -> None:
        """
        A line is a token, and perhaps a scope, apps and a name.
        """
        key = sha256(ONE.encode()).digest()
        for rest, permit in (
            ("", Permit(scope=Scope.ADMIN, key=key)),
            ("read", Permit(scope=Scope.READ, key=key)),
            ("write shop-*", Permit(scope=Scope.WRITE, apps="shop-*", key=key)),
            ("admin * ada@box", Permit(scope=Scope.ADMIN, name="ada@box", key=key)),
        ):
            for secret in (ONE, f"sha256:{key.hex()}", f"sha256:{key.hex().upper()}"):
                found = permit_of(f"{secret} {rest}\n")
                assert found is not None
                self.assertEqual((found, found.name), (permit, permit.name))

    def test_blanks(self) -> None:
        """
        Blank lines, comments, tabs and the line ends of elsewhere are nothing.
        """
        text = f"\r\n# one\r\n\t{ONE}\tread\t# two\r\n   \r\n{TWO}#3 write\r\n#{ONE}"
        tokens = parse(text)
        self.assertEqual(len(tokens), 2)
        for token, scope in ((ONE, Scope.READ), (f"{TWO}#3", Scope.WRITE)):
            permit = tokens.permit(token.encode())
            assert permit is not None
            self.assertEqual((permit.scope, permit.name), (scope, ""))

    def test_lengths(self) -> None:
        """
        The shortest and the longest token are tokens; those beyond are not.
        """
        for length in (SHORTEST, LONGEST):
            self.assertEqual(len(parse("x" * length)), 1)
        self.assertMistakes(
            "secret\n" + "x" * (SHORTEST - 1),
            (1, "has a token that is short"),
            (2, "has a token that is short"),
        )
        self.assertMistakes("x" * (LONGEST + 1), (1, "has a token that is longer than"))

    def test_mistakes(self) -> None:
        """
        All that is wrong is said at once, by its line.
        """
        self.assertMistakes(
            f"# tokens\n{ONE} reed\n{TWO} read shop/* deploys\n\n"
            f"{ONE}x read * a/b/c/d/e\n{ONE}y read * somebody something\n"
            f"sha256:abcdef0123456789abcdef\nsha256:{'g' * 64}\n"
            f"{ONE}\N{SNOWMAN}\n\ufeff{TWO}\n{TWO}\x00\n",
            (2, "has no scope behind its token"),
            (3, "has what no app can match"),
            (5, "has a name of other characters"),
            (6, "has more than"),
            (7, "has a sha256: without 64"),
            (8, "has a sha256: without 64"),
            (9, "has a token that has other characters"),
            (10, "has a token that has other characters"),
            (11, "has a token that has other characters"),
        )

    def test_twice(self) -> None:
        """
        A token that is there twice, once perhaps as its digest, is a mistake: who could
        say which of the lines counts?
        """
        self.assertMistakes(
            f"{ONE} read\n{TWO}\n{hashed(ONE)} admin\n", (3, "has the token of line 1 again")
        )

    def test_none(self) -> None:
        """
        A file may have none: then nobody is let in.
        """
        for text in ("", "\n\n", "# nobody\n"):
            tokens = parse(text)
            self.assertEqual(len(tokens), 0)
            self.assertIsNone(tokens.permit(b""))

    @tries(60)
    @given(
        st.lists(
            st.tuples(
                TOKEN,
                st.booleans(),
                st.sampled_from([scope for scope in Scope if scope]),
                GLOB,
                NAME,
                NOISE,
                BLANKS,
                st.sampled_from(["\n", "\r\n"]),
            ),
            unique_by=lambda entry: entry[0],
            max_size=8,
        )
    )
    def test_roundTrip(
        self, entries: list[tuple[str, bool, Scope, str, str, str, str, str]]
    ) -> None:
        """
        What is written is read again, between whatever else may stand there.
        """
        text = ""
        for token, digest, scope, apps, name, noise, blanks, end in entries:
            line = written(hashed(token) if digest else token, scope, apps, name)
            text += noise + "\n" + line.replace(" ", blanks) + end
        tokens = parse(text)
        self.assertEqual(len(tokens), len(entries))
        for token, _, scope, apps, name, *_ in entries:
            permit = tokens.permit(token.encode())
            assert permit is not None
            self.assertEqual((permit.scope, permit.apps, permit.name), (scope, apps, name))
            self.assertTrue(tokens.has(permit))
            self.assertEqual(permit.sees("shop"), fnmatchcase("shop", apps))

    @tries(100)
    @given(st.text(max_size=200))
    def test_anything(self, text: str) -> None:
        """
        Whatever a file says, it is read, or refused with the numbers of lines that it has.
        """
        try:
            tokens = parse(text)
        except BadTokens as bad:
            self.assertTrue(bad.mistakes)
            for line, why in bad.mistakes:
                self.assertIn(line, range(1, text.count("\n") + 2))
                self.assertTrue(why)
        else:
            self.assertLessEqual(len(tokens), text.count("\n") + 1)


class TokensTests(SynchronousTestCase):
    """
    L{Tokens}.
    """

    def test_exact(self) -> None:
        """
        A token is let in as it is, and nothing else is: no part of it, no other case, no
        digest.
        """
        tokens = parse(f"{ONE}\n{hashed(TWO)}\n")
        for token in (ONE, TWO):
            self.assertIsNotNone(tokens.permit(token.encode()))
            for shown in (
                token[:-1],
                f"{token} ",
                f"{token}\0",
                token.upper(),
                hashed(token),
                sha256(token.encode()).hexdigest(),
                "",
            ):
                self.assertIsNone(tokens.permit(shown.encode()), shown)
            self.assertIsNone(tokens.permit(sha256(token.encode()).digest()))

    def test_has(self) -> None:
        """
        It knows what it permitted, also where a file was read anew; what was permitted by a
        token that is gone, or may do other things now, it does not.
        """
        before = permit_of(f"{ONE} read * ada")
        assert before is not None
        self.assertTrue(parse(f"{TWO}\n{hashed(ONE)} read * bob").has(before))
        for text in ("", TWO, f"{ONE} write", f"{ONE} admin", f"{ONE} read shop"):
            self.assertFalse(parse(text).has(before), text)
        self.assertFalse(Tokens().has(EVERYTHING))

    def test_shown(self) -> None:
        """
        What a log or a traceback shows of them has no token, no digest and no key.
        """
        tokens = parse(f"{ONE} read\n")
        for secret in (ONE, sha256(ONE.encode()).hexdigest(), "\\x"):
            self.assertNotIn(secret, f"{tokens} {tokens!r}")


class WrittenTests(SynchronousTestCase):
    """
    L{new_token}, L{hashed} and L{written}.
    """

    def test_new(self) -> None:
        """
        New tokens are taken as they are, need no quotes, and are no options.
        """
        made = {new_token() for _ in range(300)}
        self.assertEqual(len(made), 300)
        self.assertEqual(len(parse("\n".join(made))), 300)
        for token in made:
            self.assertRegex(token, r"\A\w[\w-]{42}\Z")

    def test_hashed(self) -> None:
        """
        What may stand for a token is its SHA-256 in hexadecimal digits.
        """
        self.assertEqual(hashed(ONE), "sha256:" + sha256(ONE.encode()).hexdigest())
        for bad in ("short", "x" * (LONGEST + 1), f"{ONE} {TWO}", f"{ONE}\xe4", hashed(ONE)):
            self.assertRaises(ValueError, hashed, bad)

    def test_written(self) -> None:
        """
        A line has no more words than it needs, and none that would mean something else.
        """
        self.assertEqual(written(ONE), f"{ONE} admin")
        self.assertEqual(written(ONE, Scope.READ, "a*"), f"{ONE} read a*")
        self.assertEqual(written(ONE, Scope.WRITE, name="ada"), f"{ONE} write * ada")
        for apps, name in (("", ""), ("a b", ""), ("*", "a b"), ("*", "#a"), ("*", "a\nb")):
            self.assertRaises(ValueError, written, ONE, Scope.READ, apps, name)
