"""
Whatever a file of tokens says, and whatever is shown instead of a token.
"""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from hypothesis import assume, example, given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smartmob.config.configuration import Mistake
from smartmob.config.findings import Findings
from smartmob.config.token_file import token_file
from smartmob.permit import SCOPES, Permit, Scope
from smartmob.tokens import BadTokens, Tokens, hashed, parse, written
from smartmob.web.access import cookie_name
from smartmob.web.caller import Caller
from smartmob.web.tickets import SECONDS, Tickets
from smartmob.web.trust import Way
from tests.support.fuzzing import tries
from tests.support.http_grammar import changed
from tests.support.httpwire import Wire
from tests.support.signing import ADMIN, READ, TOKENS, AccessCase, bearer
from tests.support.strict_http import replies

SECRET = "hush-hush-hush-hush-hush"

good = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="#"),
    min_size=20,
    max_size=60,
).filter(lambda token: not token.startswith("sha256:"))
scopes = st.sampled_from(list(SCOPES.values()))
words = st.sampled_from(
    [
        *(SECRET, SECRET + "2", "sha256:", "sha256:" + "0f" * 32, "sha256:" + "g" * 64, "#"),
        *("read", "write", "admin", "Admin", "*", "shop*", "[a-", "a.b", "ada", "#x", "\u00a0"),
        *(
            "\t",
            "\r",
            "\n",
            "\n",
            "\x0b",
            "\x1c",
            "\u2028",
            "\x85",
            "short",
            "\u00e4" * 30,
            "\0",
        ),
    ]
)
files = st.lists(words | st.text(max_size=3), max_size=15).map(" ".join)


class FileTests(SynchronousTestCase):
    """
    L{smartmob.tokens}.
    """

    @tries(400)
    @given(files | st.text())
    @example(f"{SECRET} nobody")
    @example(f"{SECRET}\n{SECRET}")
    @example(f"{SECRET}#\u00a0x read\u2028{SECRET}")
    def test_anything(self, text: str) -> None:
        """A file is read, or the lines that are wrong are named, without what is in them."""
        try:
            tokens = parse(text)
        except BadTokens as error:
            numbers = [line for line, _ in error.mistakes]
            self.assertEqual(numbers, sorted(set(numbers)))
            self.assertLessEqual(max(numbers), text.count("\n") + 1)
            self.assertNotIn(SECRET, str(error))
            return
        self.assertLessEqual(len(tokens), text.count("\n") + 1)
        self.assertNotIn(SECRET, repr(tokens))
        for word in ("", "#", "read", "short", "\u00e4" * 30, "sha256:" + "0f" * 32):
            self.assertIsNone(tokens.permit(word.encode()))

    @tries(200)
    @given(st.binary() | files.map(str.encode))
    def test_file(self, data: bytes) -> None:
        """So is one on a disk, whatever bytes it has."""
        path = Path(self.mktemp())
        path.touch(0o600)
        path.write_bytes(data)
        findings = Findings()
        found = token_file(
            str(path), {}, findings, lambda why: Mistake(file="agent.ini", line=1, why=why)
        )
        self.assertEqual(found is None, bool(findings.mistakes))
        for mistake in findings.mistakes:
            self.assertTrue(str(mistake).isprintable())
            self.assertNotIn(SECRET, str(mistake))

    @tries(200)
    @given(
        st.lists(st.tuples(good, scopes, st.sampled_from(["*", "a*", "[!a]?"]), st.booleans()))
    )
    def test_written(self, said: list[tuple[str, Scope, str, bool]]) -> None:
        """What is written is read, as tokens or as digests, and no other token is one."""
        assume(len({token for token, *_ in said}) == len(said))
        lines = [
            written(hashed(token) if digest else token, scope, apps, "ada")
            for token, scope, apps, digest in said
        ]
        tokens = parse("\n".join(lines))
        self.assertEqual(len(tokens), len(said))
        for token, scope, apps, _ in said:
            permit = tokens.permit(token.encode())
            assert permit is not None
            self.assertTrue(tokens.has(permit))
            self.assertEqual((permit.scope, permit.apps, permit.name), (scope, apps, "ada"))
            for app in ("a", "ab", "b"):
                self.assertEqual(permit.sees(app), fnmatchcase(app, apps))
            for other in (token + "x", token[:-1], token.swapcase(), hashed(token)):
                if all(other != each for each, *_ in said):
                    self.assertIsNone(tokens.permit(other.encode()))


headers = st.one_of(
    st.binary(max_size=30),
    st.sampled_from([ADMIN, READ]).flatmap(
        lambda token: st.builds(
            lambda scheme, changes: changed(scheme + b" " + token.encode(), changes),
            st.sampled_from([b"Bearer", b"bearer", b"Basic", b"Bearer,", b"Bearer=", b"x"]),
            st.lists(
                st.tuples(st.integers(0, 40), st.integers(0, 2), st.binary(max_size=2)),
                max_size=2,
            ),
        )
    ),
).map(lambda value: re.sub(rb"[\0\r\n]", b"", value).strip(b" \t"))
names = st.sampled_from(
    [b"Authorization", b"Cookie", b"X-Forwarded-For", b"Proxy-Authorization"]
)
queries = st.sampled_from(
    [
        *(b"", b"", b"?token=" + ADMIN.encode(), b"?ticket=", b"?ticket=" + ADMIN.encode()),
        *(b"?access_token=x", b"?%74oken=x", b"?a=%zz&ticket=%00", b"?ticket=a&ticket=b"),
        *(b"?ti%63ket=1", b"?=&&;", b"?token"),
    ]
)


class ShownTests(AccessCase):
    """
    L{smartmob.web.access} and L{smartmob.web.sign_in}.
    """

    def answer(self, data: bytes) -> tuple[int, dict[str, str], bytes]:
        """The one answer to a request: its status, headers and body."""
        wire = Wire(self.site)
        wire.send(data)
        [reply] = replies(wire.received(), [])
        wire.hang_up()
        self.assertNotIn("html", reply.headers.get("content-type", ""))
        for token in (ADMIN, READ):
            self.assertNotIn(token.encode(), reply.body)
        return reply.status, reply.headers, reply.body

    @tries(400)
    @given(st.lists(st.tuples(names, headers), max_size=3), queries)
    @example([(b"Authorization", b"Bearer " + ADMIN.encode())] * 2, b"")
    @example([(b"Authorization", b"Bearer " + ADMIN.encode())], b"?token=" + ADMIN.encode())
    @example([(b"Authorization", b"Bearer\t" + ADMIN.encode())], b"")
    def test_headers(self, said: list[tuple[bytes, bytes]], query: bytes) -> None:
        """Only a whole token lets in, and only one, in its one place."""
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in said)
        status, found, body = self.answer(
            b"GET /list-processes%b HTTP/1.1\r\nHost: localhost\r\n%b\r\n" % (query, lines)
        )
        shown = [value for name, value in said if name == b"Authorization"]
        right = [
            re.fullmatch(rb"(?i:bearer) +%b *" % re.escape(token.encode()), value)
            for value in shown
            for token in (ADMIN, READ)
        ]
        if status == 200:
            self.assertEqual(len(shown), 1)
            self.assertTrue(any(right))
            self.assertNotIn(b"oken=x", query)
        else:
            self.assertEqual(status, 401)
            self.assertEqual(json.loads(body)["code"], "unauthorized")
            self.assertTrue(found["www-authenticate"].startswith('Bearer realm="smartmob"'))
            self.assertFalse(len(shown) == 1 and any(right) and b"oken" not in query)

    bodies = st.one_of(
        st.binary(max_size=20),
        st.recursive(
            st.none() | st.integers() | st.text() | st.sampled_from([ADMIN, READ, "x" * 5000]),
            lambda inner: (
                st.lists(inner, max_size=2)
                | st.dictionaries(st.sampled_from(["token", "path", "x"]), inner, max_size=2)
            ),
            max_leaves=4,
        ).map(lambda value: json.dumps(value).encode()),
    )

    @tries(300)
    @given(bodies)
    @example(b'{"token": "%b", "token": "%b"}' % (READ.encode(), ADMIN.encode()))
    @example(b'{"token": ["%b"]}' % ADMIN.encode())
    def test_signIn(self, body: bytes) -> None:
        """A cookie is given for a token, and for nothing else."""
        status, found, _ = self.answer(
            b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b"
            % (len(body), body)
        )
        right = [json.dumps({"token": token}).encode() for token in (ADMIN, READ)]
        self.assertEqual(status == 204, body in right, body)
        self.assertEqual("set-cookie" in found, status == 204)
        self.assertIn(status, (204, 400, 401))

    @tries(200)
    @given(bodies)
    def test_tickets(self, body: bytes) -> None:
        """A ticket is given for a path, and for nothing else."""
        status, _, answered = self.answer(
            b"POST /tickets HTTP/1.1\r\nHost: localhost\r\n%b\r\nContent-Length: %d\r\n\r\n%b"
            % (bearer(READ).encode(), len(body), body)
        )
        if status == 201:
            self.assertTrue(json.loads(body)["path"].startswith("/"))
            self.assertEqual(set(json.loads(answered)), {"ticket", "expires_at"})
        else:
            self.assertEqual(status, 400)

    @tries(200)
    @given(st.lists(st.binary(max_size=10) | st.just(b"smartmob"), max_size=5), st.booleans())
    def test_cookies(self, parts: list[bytes], signed_in: bool) -> None:
        """Our cookie is found among whatever else there is, and nothing else is it."""
        cookie, _ = self.sign_in()
        ours = cookie.removeprefix("Cookie: ").encode()
        pairs = [re.sub(rb"[\0\r\n;]", b"", part) for part in parts]
        pairs.insert(len(pairs) // 2, ours if signed_in else ours[:-1])
        status, *_ = self.answer(
            b"GET /list-processes HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nCookie: %b\r\n\r\n"
            % b"; ".join(pairs)
        )
        self.assertEqual(status, 200 if signed_in else 401)

    @tries(200)
    @given(st.binary(max_size=20) | st.sampled_from([b"a:80", b"[::1]:80", b"[::1]", b":"]))
    def test_cookieName(self, host: bytes) -> None:
        """The name of our cookie is a token (RFC 6265, 4.1.1), whatever the Host."""
        for secure in (False, True):
            name = cookie_name(Way(secure=secure, host=host, client="127.0.0.1"))
            self.assertRegex(name, rb"\A(__Host-)?smartmob(-[0-9]+)?\Z")


class TicketsTests(SynchronousTestCase):
    """
    L{smartmob.web.tickets}.
    """

    paths = st.sampled_from(["/events", "/attach-app/a", "/a%2fb", "/a b", "/\u00e4", "/a/b"])

    @tries(200)
    @given(
        st.lists(
            st.tuples(st.sampled_from(["issue", "redeem", "wait"]), paths, st.integers(0, 5)),
            max_size=15,
        )
    )
    def test_anyOrder(self, steps: list[tuple[str, str, int]]) -> None:
        """A ticket is good once, for its path however that is written, for its time."""
        clock = Clock()
        tickets = Tickets(clock)
        caller = Caller(Permit(scope=Scope.READ))
        known: list[list[Any]] = []
        for step, path, number in steps:
            if step == "issue":
                ticket, _ = tickets.issue(caller, path.encode())
                known.append([ticket, path, clock.seconds() + SECONDS])
            elif step == "wait":
                clock.advance(number * SECONDS / 4)
            elif known:
                ticket, meant, until = known[number % len(known)]
                found = tickets.redeem(ticket.encode(), quote(path, safe="/%").encode())
                good = unquote(meant) == unquote(path) and clock.seconds() < until
                self.assertEqual(found, caller if good else None)
                known[number % len(known)][2] = 0
        self.assertIsNone(tickets.redeem(b"", b"/events"))


class NoTokensTests(SynchronousTestCase):
    """
    Where there are none.
    """

    def test_none(self) -> None:
        """No token, no permit."""
        self.assertIsNone(Tokens().permit(b""))
        self.assertEqual(len(parse(TOKENS)), 4)
