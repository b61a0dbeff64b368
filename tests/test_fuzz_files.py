"""
Whatever lies in files that an operator names: certificates and keys, plugins, the pages of
their sites, and what is asked of these.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from base64 import b64decode, b64encode
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smartmob.certificate import BadCertificate, Files
from smartmob.plugins.folders import plugin_folder, plugin_folders
from smartmob.plugins.site import PluginSite, site_of
from smartmob.web.content_types import content_type
from smartmob.web.root import make_site
from smartmob.web.sites import Sites
from tests.support.agents import FakeAgent
from tests.support.certificates import pair
from tests.support.fuzzing import tries
from tests.support.http_grammar import changed
from tests.support.httpwire import Wire

GOOD = pair("localhost")
EMPTY = b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"
BASE64 = st.sampled_from([bytes([byte]) for byte in b"AQgz09+/=\n- "])
changes = st.lists(
    st.tuples(st.integers(0, 2000), st.integers(0, 3), BASE64 | st.binary(max_size=2)),
    max_size=3,
)


def pem(data: bytes, inside: bool, changes: list[tuple[int, int, bytes]]) -> bytes:
    """
    A file in PEM form, some bytes of it others.

    @param inside: They are those of what is encoded there.
    """
    if not inside:
        return changed(data, changes)
    first, *lines, last = data.strip().split(b"\n")
    der = changed(b64decode(b"".join(lines)), changes)
    return b"\n".join([first, b64encode(der), last, b""])


class FolderCase(SynchronousTestCase):
    """
    A folder of a test's own.
    """

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="smartmob-"))
        self.addCleanup(shutil.rmtree, self.folder)


class CertificateTests(FolderCase):
    """
    L{smartmob.certificate}.
    """

    @tries(500)
    @given(changes, changes, changes, st.booleans(), st.booleans())
    @example([(0, 10_000, b"")], [], [], False, True)
    @example([(0, 0, EMPTY)], [], [], False, True)
    def test_anything(
        self,
        certificate: list[tuple[int, int, bytes]],
        key: list[tuple[int, int, bytes]],
        trusted: list[tuple[int, int, bytes]],
        inside: bool,
        both: bool,
    ) -> None:
        """Files can be used, or it is said which can't."""
        certfile, keyfile, cafile = (str(self.folder / name) for name in ("cert", "key", "ca"))
        Path(certfile).write_bytes(pem(GOOD.pem, inside, certificate))
        Path(keyfile).write_bytes(pem(GOOD.key_pem, inside, key))
        Path(cafile).write_bytes(pem(GOOD.pem, inside, trusted))
        files = Files(certfile, keyfile, cafile if both else None)
        try:
            loaded = files.load()
        except BadCertificate as error:
            self.assertIn(error.key, ("certfile", "keyfile", "cafile"))
            self.assertIn(str(self.folder), error.why)
            self.assertLess(len(str(error)), 1000)
        else:
            self.assertLessEqual(len(loaded.odd), 2)


names = st.text(max_size=12) | st.sampled_from(
    [
        *(".", "..", "_site", "__init__", ".hidden", "__pycache__", "a/b", "a%2fb", "\0", " "),
        *("a.py", "index.html", "\udcff", "\u00e4", "a\nb", "-", "x" * 255, "x" * 300, "link"),
    ]
)


class SiteTests(FolderCase):
    """
    L{smartmob.plugins.folders}, L{smartmob.plugins.site} and L{smartmob.web.sites}.
    """

    def setUp(self) -> None:
        super().setUp()
        plugins = self.folder / "plugins"
        site = plugins / "dash" / "_site"
        (site / "deep").mkdir(parents=True)
        for folder in (site, site / "deep"):
            (folder / "index.html").write_text("inside")
        (site / "a b\u00e4.js").write_text("inside")
        (site / ".secret").write_text("outside")
        (self.folder / "secret").write_text("outside")
        (site / "out").symlink_to(self.folder / "secret")
        (site / "up").symlink_to("../..")
        (site / "down").symlink_to("deep")
        self.plugins = [str(plugins)]
        self.site_of = make_site(FakeAgent().real, Clock(), families=[Sites(self, Clock())])

    def site(self, name: str) -> PluginSite | None:
        """As the agent's plugins."""
        folder = plugin_folder(self.plugins, name)
        return None if folder is None else site_of(folder)

    @tries(200)
    @given(names)
    def test_names(self, name: str) -> None:
        """Only what can be in a URL, and stays in the folder, is the name of a plugin."""
        found = plugin_folder(self.plugins, name)
        self.assertEqual(found is not None, name == "dash")

    @tries(60)
    @given(st.lists(names.map(os.fsencode).filter(lambda name: len(name) < 256), max_size=5))
    def test_folders(self, found: list[bytes]) -> None:
        """Whatever lies in a plugins folder, what is a plugin is in its place."""
        root = os.fsencode(self.folder / "many")
        shutil.rmtree(root, ignore_errors=True)
        os.mkdir(root)
        for name in found:
            if name and b"\0" not in name and b"/" not in name and name not in (b".", b".."):
                os.makedirs(os.path.join(root, name), exist_ok=True)
        for folder in plugin_folders([os.fsdecode(root)]):
            self.assertEqual(os.path.dirname(folder.path), os.fsdecode(root))
            self.assertNotIn("/", folder.name)
            folder.name.encode()
            folder.modules()
            self.assertEqual(plugin_folder([os.fsdecode(root)], folder.name), folder)

    parts = st.sampled_from(
        [
            *(b"dash", b"deep", b"down", b"up", b"out", b".secret", b"secret", b"index.html"),
            *(b"a%20b%C3%A4.js", b"..", b".", b"%2e%2e", b"", b"/", b"%2f", b"_site", b"%00"),
            *(b"%5c", b"\\", b"%ff", b"x" * 300, b"%2e%2e%2f", b"plugins", b";", b"*"),
        ]
    )

    @tries(250)
    @given(
        st.lists(parts, max_size=6),
        st.sampled_from(["If-None-Match", "If-Modified-Since", "Range", "X"]),
        st.binary(max_size=12)
        | st.sampled_from(
            [
                *(b"*", b'W/"1"', b'"a", "b"', b"Sun, 06 Nov 1994 08:49:37 GMT", b"0 0 0 0 0"),
                *(
                    b"1 Jan 99999 00:00:00",
                    b"Sun, 06 Nov 1994 08:49:37 +9999999999",
                    b"a" * 999,
                ),
                *(
                    b"Mon, 01 Jan 0001 00:00:00 -2359",
                    b"31 Feb 2020 25:61:61",
                    b"(((((",
                    b"\xff",
                ),
            ]
        ),
    )
    @example([b"dash", b"out"], "X", b"")
    @example([b"dash", b"up", b"..", b"secret"], "X", b"")
    def test_pages(self, parts: list[bytes], header: str, value: bytes) -> None:
        """No path leads out of a site, and no question about a file is too odd."""
        wire = Wire(self.site_of)
        value = re.sub(rb"[\0\r\n]", b"", value)
        path = b"/_plugin/" + b"/".join(parts)
        wire.send(
            b"GET %b HTTP/1.1\r\nHost: localhost\r\n%b: %b\r\n\r\n"
            % (path, header.encode(), value)
        )
        answer = wire.answer()
        self.assertIn(answer.status, (200, 301, 304, 400, 404))
        self.assertNotIn(b"outside", answer.body)
        if answer.status == 200:
            self.assertEqual(answer.body, b"inside")
        wire.hang_up()
        self.assertEqual(self.flushLoggedErrors(), [])

    @tries(100)
    @given(st.text())
    def test_type(self, name: str) -> None:
        """A file is of a type that can stand in a header."""
        self.assertRegex(content_type(name), r"\A[a-z]+/[a-z0-9.+-]+(; charset=utf-8)?\Z")
