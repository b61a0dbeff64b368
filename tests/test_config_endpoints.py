"""
Tests of L{smartmob.config.endpoints}.
"""

from __future__ import annotations

import os

from attrs import evolve

from smartmob.config.configuration import Api, BadConfiguration, Configuration, Endpoint
from smartmob.config.load import default
from smartmob.config.overrides import Overrides
from tests.support.configuring import NOTHING, ConfigurationTestCase

FORMS = "use HOST:PORT, [V6]:PORT, unix:/path, fd:N, or a Twisted endpoint string"

PUBLIC = "[gaffer]\nhttp_endpoints = public\n[endpoint:public]\n"


class SectionTests(ConfigurationTestCase):
    """
    Tests of C{[endpoint:NAME]}.
    """

    def endpoint(self, lines: str) -> Endpoint:
        """
        What a section with these lines says.
        """
        [endpoint] = self.load(f"{PUBLIC}{lines}\n").endpoints
        return endpoint

    def said(self, lines: str) -> list[str]:
        """
        What is wrong with the last of these lines.
        """
        text = f"{PUBLIC}{lines}"
        place = f"agent.ini:{len(text.splitlines())}: [endpoint:public] "
        return [mistake.removeprefix(place) for mistake in self.mistakes(text)]

    def test_bind(self) -> None:
        """
        It needs no more than an address.
        """
        self.assertEqual(
            self.endpoint("bind = 127.0.0.1:5000\n;certfile="),
            Endpoint(name="public", bind=("127.0.0.1:5000",)),
        )

    def test_binds(self) -> None:
        """
        Addresses of every form have commas in between.
        """
        bind = "127.0.0.1:0, [::1]:80 ,a.example:1,unix:/a b:mode=660,\n fd:3,tcp:80"
        self.assertEqual(
            self.endpoint(f"bind = {bind}").bind,
            (
                "127.0.0.1:0",
                "[::1]:80",
                "a.example:1",
                "unix:/a b:mode=660",
                "fd:3",
                "tcp:80",
            ),
        )

    def test_badBind(self) -> None:
        """
        An address of no form is wrong, each of them.
        """
        for address, why in {
            "127.0.0.1": f"'127.0.0.1' is no address; {FORMS}",
            "5000": f"'5000' is no address; {FORMS}",
            "localhost:http": f"'localhost:http' is no address; {FORMS}",
            "fd:x": f"'fd:x' is no address; {FORMS}",
            "unix:": f"'unix:' is no address; {FORMS}",
            "unix:~nobody-here/x": (
                "~nobody-here is nobody's home; a folder of that name is ./~nobody-here"
            ),
            "[127.0.0.1]:80": f"'[127.0.0.1]:80': brackets are for IPv6; {FORMS}",
            "127.0.0.1:65536": f"'127.0.0.1:65536': a port is at most 65535; {FORMS}",
        }.items():
            with self.subTest(address=address):
                self.assertEqual(self.said(f"bind = {address}, 127.0.0.1:1"), [f"bind: {why}"])
        self.assertEqual(len(self.said("bind = 1, 2")), 2)

    def test_missingBind(self) -> None:
        """
        One without an address is wrong.
        """
        why = "needs bind, such as bind = 127.0.0.1:5000"
        self.assertEqual(self.said(""), [why])
        self.assertEqual(self.said("bind = ,"), [f"bind: {why}"])

    def test_relative(self) -> None:
        """
        Paths in addresses are relative to the folder of the file.
        """
        self.patch(os, "environ", {**os.environ, "HOME": "/home/x"})
        for address, expected in {
            "unix:a.sock": f"unix:{self.folder}/a.sock",
            "unix:b/a.sock:mode=660": f"unix:{self.folder}/b/a.sock:mode=660",
            "unix:~/a.sock": "unix:/home/x/a.sock",
            "ssl:443:privateKey=k:certKey=/c": f"ssl:443:privateKey={self.folder}/k:certKey=/c",
        }.items():
            self.assertEqual(self.endpoint(f"bind = {address}").bind, (expected,))

    def test_keys(self) -> None:
        """
        Each key is applied; files are relative to the folder of the file.
        """
        bind = "bind = 127.0.0.1:5000"
        usual = self.endpoint(bind)
        for name in "ckx":
            self.write(name)
        path = os.fspath(self.folder / "c")
        other = os.fspath(self.folder / "k")
        for lines, changed in {
            "certfile = c": evolve(usual, certfile=path),
            "certfile = c\nkeyfile = k": evolve(usual, certfile=path, keyfile=other),
            f"certfile = {path}\ncafile = k": evolve(usual, certfile=path, cafile=other),
            "backlog = 1": evolve(usual, backlog=1),
            "api = smartmob": usual,
            "api = gafferd": evolve(usual, api=Api.GAFFERD),
            "api = both": evolve(usual, api=Api.BOTH),
        }.items():
            self.assertEqual(self.endpoint(f"{bind}\n{lines}"), changed)

    def test_wrong(self) -> None:
        """
        A bad value is said with its place.
        """
        self.write("c")
        bind = "bind = 127.0.0.1:5000\n"
        missing = "can't be read: No such file or directory"
        for lines, expected in {
            "certfile = no": f"certfile: no {missing}",
            "certfile = c\nkeyfile = no": f"keyfile: no {missing}",
            "certfile = c\ncafile = no": f"cafile: no {missing}",
            "keyfile = c": "keyfile: needs certfile, the certificate that clients are shown",
            "cafile = c": "cafile: needs certfile, the certificate that clients are shown",
            "backlog = 0": "backlog: must be an integer from 1 to 65535",
            "backlog = x": "backlog: must be an integer from 1 to 65535",
            "api = all": "api: must be one of smartmob, gafferd, both",
        }.items():
            with self.subTest(lines=lines):
                self.assertEqual(self.said(f"{bind}{lines}"), [expected])

    def test_pipe(self) -> None:
        """
        A pipe is no certificate, and is not waited for.
        """
        os.mkfifo(self.folder / "pipe")
        self.assertEqual(
            self.said("bind = 127.0.0.1:1\ncertfile = pipe"),
            ["certfile: pipe is no plain file"],
        )

    def test_unknown(self) -> None:
        """
        An unknown key is a warning.
        """
        self.assertEqual(
            self.warnings(f"{PUBLIC}bind = 127.0.0.1:1\nbindd = 2"),
            ["agent.ini:5: [endpoint:public] bindd: is not known; did you mean bind?"],
        )

    def test_noCertificates(self) -> None:
        """
        C{cafile} without a value asks nobody for a certificate, which is a warning.
        """
        [warning] = self.warnings(f"{PUBLIC}bind = 127.0.0.1:1\ncafile =")
        why = "has no value, which is as if it were not there"
        self.assertEqual(warning, f"agent.ini:5: [endpoint:public] cafile: {why}")


class NamedTests(ConfigurationTestCase):
    """
    Tests of C{http_endpoints}.
    """

    def names(self, configuration: Configuration) -> list[str | None]:
        """
        The names of what is listened on.
        """
        return [endpoint.name for endpoint in configuration.endpoints]

    def sections(self, *names: str) -> str:
        """
        Endpoints of those names.
        """
        return "".join(
            f"[endpoint:{name}]\nbind = 127.0.0.1:{5000 + number}\n"
            for number, name in enumerate(names)
        )

    def test_several(self) -> None:
        """
        It names the sections to listen on, in its order, with commas and spaces in between.
        """
        for text in ("b,a", "b, a", " b ,a,", "b, a, b"):
            loaded = self.load(f"[gaffer]\nhttp_endpoints = {text}\n{self.sections('a', 'b')}")
            self.assertEqual(self.names(loaded), ["b", "a"])
            self.assertEqual(loaded.warnings, ())

    def test_missing(self) -> None:
        """
        A name without its section is wrong.
        """
        self.assertEqual(
            self.mistakes(
                f"[smartmob]\nhttp_endpoints = a, publc, z\n{self.sections('public')}"
            ),
            [
                "agent.ini:2: [smartmob] http_endpoints: there is no section [endpoint:a]",
                (
                    "agent.ini:2: [smartmob] http_endpoints: there is no section "
                    "[endpoint:publc]; did you mean public?"
                ),
                "agent.ini:2: [smartmob] http_endpoints: there is no section [endpoint:z]",
            ],
        )

    def test_notNamed(self) -> None:
        """
        A section that is not named is a warning, and not listened on; so are all where
        none is named, as gafferd has it.
        """
        why = "is not named in http_endpoints, so nothing listens there"
        text = f"[gaffer]\nhttp_endpoints = a\n{self.sections('a', 'b')}"
        self.assertEqual(self.names(self.load(text)), ["a"])
        self.assertEqual(self.warnings(text), [f"agent.ini:5: [endpoint:b] {why}"])
        text = f"[gaffer]\n{self.sections('a', 'b')}"
        loaded = self.load(text)
        self.assertEqual([each.bind for each in loaded.endpoints], [("127.0.0.1:5000",)])
        self.assertEqual(self.names(loaded), [None])
        self.assertEqual(len(loaded.warnings), 2)

    def test_nameless(self) -> None:
        """
        A section has a name.
        """
        self.assertEqual(
            self.mistakes("[endpoint:]\nbind = 127.0.0.1:1\n"),
            ["agent.ini:1: [endpoint:] needs a name, as in [endpoint:public]"],
        )

    def test_twice(self) -> None:
        """
        One address is listened on once, but for a port that the system picks.
        """
        text = (
            "[gaffer]\nhttp_endpoints = a, b\n[endpoint:a]\nbind = 127.0.0.1:0, 127.0.0.1:1\n"
            "[endpoint:b]\nbind = 127.0.0.1:0, 127.0.0.1:{}\n"
        )
        self.assertEqual(self.names(self.load(text.format(2))), ["a", "b"])
        self.assertEqual(
            self.mistakes(text.format(1)),
            ["agent.ini:6: [endpoint:b] bind: 127.0.0.1:1 is listened on in [endpoint:a] too"],
        )

    def test_backlog(self) -> None:
        """
        That of the main section is for those that have none of their own.
        """
        text = f"[gaffer]\nbacklog = 7\nhttp_endpoints = a, b\n{self.sections('a', 'b')}"
        loaded = self.load(f"{text}backlog = 9\n")
        self.assertEqual([each.backlog for each in loaded.endpoints], [7, 9])

    def test_included(self) -> None:
        """
        Paths of an included file start at its folder.
        """
        self.write("b/c.pem")
        self.write("b/b.ini", "[endpoint:a]\nbind = unix:a\ncertfile = c.pem\n")
        [endpoint] = self.load("[gaffer]\ninclude = b/b.ini\nhttp_endpoints = a\n").endpoints
        self.assertEqual(endpoint.bind, (f"unix:{self.folder}/b/a",))
        self.assertEqual(endpoint.certfile, f"{self.folder}/b/c.pem")


class DefaultTests(ConfigurationTestCase):
    """
    Where the agent listens if the file does not say.
    """

    def test_address(self) -> None:
        """
        On port 5000 where there is a C{[gaffer]} section, else on 8080.
        """
        for text, address in {
            "": "127.0.0.1:8080",
            "[smartmob]\nbacklog = 4096": "127.0.0.1:8080",
            "[process:a]\ncmd = x": "127.0.0.1:8080",
            "[gaffer]": "127.0.0.1:5000",
            "[gaffer]\nhttp_endpoints =\n": "127.0.0.1:5000",
        }.items():
            self.assertEqual(self.load(text).endpoints, (Endpoint(name=None, bind=(address,)),))
        self.write("b.ini", "[gaffer]\n")
        self.assertEqual(
            default(NOTHING).endpoints, (Endpoint(name=None, bind=("127.0.0.1:8080",)),)
        )

    def test_backlog(self) -> None:
        """
        With the backlog that the main section says, unless the command line does.
        """
        for overrides, backlog in ((NOTHING, 7), (Overrides(backlog=9), 9)):
            [endpoint] = self.load("[gaffer]\nbacklog = 7\n", overrides).endpoints
            self.assertEqual(endpoint.backlog, backlog)


class OverriddenTests(ConfigurationTestCase):
    """
    What the command line says of endpoints.
    """

    def setUp(self) -> None:
        """
        Make the files that it may name.
        """
        super().setUp()
        self.cert = os.fspath(self.write("c.pem"))
        self.key = os.fspath(self.write("k.pem"))

    def test_bind(self) -> None:
        """
        C{--bind}, with the others, takes the place of all endpoints of the file.
        """
        text = f"{PUBLIC}bind = 127.0.0.1:5000\nbacklog = 3\n"
        overrides = Overrides(
            bind=("127.0.0.1:1", "unix:/x"), certfile=self.cert, keyfile=self.key, backlog=9
        )
        expected = Endpoint(
            name=None,
            bind=("127.0.0.1:1", "unix:/x"),
            certfile=self.cert,
            keyfile=self.key,
            backlog=9,
        )
        loaded = self.load(text, overrides)
        self.assertEqual((loaded.endpoints, loaded.warnings), ((expected,), ()))
        self.assertEqual(default(overrides).endpoints, (expected,))
        [endpoint] = self.load(text, Overrides(bind=("127.0.0.1:1",))).endpoints
        self.assertEqual(endpoint, Endpoint(name=None, bind=("127.0.0.1:1",)))

    def test_others(self) -> None:
        """
        The others alone change the default endpoint.
        """
        for overrides, expected in (
            (Overrides(backlog=9), {"backlog": 9}),
            (Overrides(certfile=self.cert), {"certfile": self.cert}),
            (
                Overrides(certfile=self.cert, keyfile=self.key),
                {"certfile": self.cert, "keyfile": self.key},
            ),
        ):
            [endpoint] = default(overrides).endpoints
            usual = Endpoint(name=None, bind=("127.0.0.1:8080",))
            self.assertEqual(endpoint, evolve(usual, **expected))
            [endpoint] = self.load("[gaffer]\n", overrides).endpoints
            usual = Endpoint(name=None, bind=("127.0.0.1:5000",))
            self.assertEqual(endpoint, evolve(usual, **expected))

    def test_noEffect(self) -> None:
        """
        Where the file has endpoints they have no effect, which is said.
        """
        text = f"{PUBLIC}bind = 127.0.0.1:5000\n"
        overrides = Overrides(certfile=self.cert, keyfile=self.key, backlog=9)
        self.assertEqual(self.load(text, overrides).endpoints, self.load(text).endpoints)
        self.assertEqual(
            self.warnings(text, overrides),
            [
                f"command line: {option}: has no effect without --bind: the file has endpoints"
                for option in ("--certfile", "--keyfile", "--backlog")
            ],
        )

    def test_wrong(self) -> None:
        """
        What is wrong with the command line is said with what is wrong with the file.
        """
        overrides = Overrides(bind=("x",), certfile="/no/c", keyfile="/no/k")
        missing = "can't be read: No such file or directory"
        mistakes = [
            f"command line: --certfile: /no/c {missing}",
            f"command line: --keyfile: /no/k {missing}",
            f"command line: --bind: 'x' is no address; {FORMS}",
        ]
        self.assertEqual(
            self.mistakes("[gaffer]\nbacklog = 0\n", overrides),
            [*mistakes, "agent.ini:2: [gaffer] backlog: must be an integer from 1 to 65535"],
        )
        with self.assertRaises(BadConfiguration) as caught:
            default(overrides)
        self.assertEqual([str(each) for each in caught.exception.mistakes], mistakes)
        self.assertEqual(
            self.mistakes("", Overrides(keyfile=self.key)),
            ["command line: --keyfile: needs --certfile"],
        )
