"""
Tests of L{smartmob.config.forwards}.
"""

from __future__ import annotations

from smartmob.config.forward import (
    Forward,
    LineFormat,
    Peer,
    ToFiles,
    ToFluentd,
    ToSyslog,
)
from smartmob.placeholders import Pattern
from tests.support.configuring import ConfigurationTestCase

#: What is wrong, and what is said.
WRONG = {
    "": "[forward:x] needs one of path, syslog, fluentd",
    "apps = web": "[forward:x] needs one of path, syslog, fluentd",
    "syslog = unix:/dev/log\npath = a": "syslog: stands beside path, and a section has",
    "path = a/{slug.log": "path: has a { without a }",
    "path = a/slug}.log": "path: has a } without a {",
    "path = a/{slugg}.log": "has {slugg}, and there are {app}, {node}, {process_type}",
    "path = a/{slug}": "must not end with a placeholder; let it end with .log, say",
    "path = a/": "must be the path of a file, not of a folder",
    "path = a\nformat = xml": "must be one of plain, stamped, json",
    "path = a\nmax_bytes = 1k": "must be an integer",
    "path = a\nbackups = -1": "must be an integer",
    "path = a\napps = a/b": "must be names, or globs, with commas in between",
    "path = a\nstreams = ,": "must be names, or globs, with commas in between",
    "syslog = localhost": "must be unix:/path, udp:HOST:PORT or tcp:HOST:PORT",
    "syslog = unix:": "must be unix:/path, udp:HOST:PORT or tcp:HOST:PORT",
    "syslog = tcp:h:0": "must be unix:/path, udp:HOST:PORT or tcp:HOST:PORT",
    "syslog = tcp:h:65536": "must be unix:/path, udp:HOST:PORT or tcp:HOST:PORT",
    f"syslog = unix:/{'x' * 107}": "must have a path of at most 107 bytes",
    "syslog = udp:h\nformat = stamped": "must be plain or json here",
    "syslog = udp:h\nfacility = local8": "must be one of kern, user, mail",
    "syslog = udp:h\nseverity = bad": "must be one of emerg, alert",
    "syslog = udp:h\ntag = a b": "must be at most 200 printable ASCII characters",
    "fluentd = udp:h": "must be unix:/path or tcp:HOST:PORT",
    "fluentd = tcp:h\ntag = {what}": "has {what}, and there are",
    "fluentd = tcp:h\nack = perhaps": "must be true or false",
}


class ForwardTests(ConfigurationTestCase):
    """
    Tests of C{[forward:NAME]}.
    """

    def forward(self, lines: str) -> Forward:
        """
        What these lines say.
        """
        [forward] = self.load(f"[forward:x]\n{lines}\n").forwards
        return forward

    def test_none(self) -> None:
        """
        There need be none.
        """
        self.assertEqual(self.load("").forwards, ())

    def test_files(self) -> None:
        """
        Files: with what supervisor has them, unless said otherwise; a path starts at the file.
        """
        here = self.folder
        path = Pattern.of(f"{here}/logs/{{slug}}.log")
        usual = ToFiles(path=path, max_bytes=50 << 20, backups=10, format=LineFormat.PLAIN)
        self.assertEqual(self.forward("path = logs/{slug}.log"), Forward(name="x", to=usual))
        self.assertEqual(
            self.forward(
                "path = /var/{app}/all\nformat = json\nmax_bytes = 0\nbackups = 3\n"
                "apps = web*, worker\nstreams = stderr"
            ),
            Forward(
                name="x",
                apps=("web*", "worker"),
                streams=("stderr",),
                to=ToFiles(
                    path=Pattern.of("/var/{app}/all"),
                    max_bytes=0,
                    backups=3,
                    format=LineFormat.JSON,
                ),
            ),
        )

    def test_syslog(self) -> None:
        """
        Syslog: a socket or a host, with the port of syslog unless there is one.
        """
        for text, peer in {
            "unix:/dev/log": Peer(kind="unix", host="/dev/log"),
            "unix:log": Peer(kind="unix", host=f"{self.folder}/log"),
            "udp:log.example.org": Peer(kind="udp", host="log.example.org", port=514),
            "tcp:[::1]:601": Peer(kind="tcp", host="::1", port=601),
        }.items():
            forward = self.forward(f"syslog = {text}")
            self.assertEqual(forward.to, ToSyslog(peer=peer))
        self.assertEqual(str(Peer(kind="tcp", host="::1", port=601)), "tcp:[::1]:601")
        forward = self.forward(
            "syslog = udp:h:1\nfacility = local7\nseverity = err\ntag = {app}\nformat = json"
        )
        peer = Peer(kind="udp", host="h", port=1)
        wanted = ToSyslog(
            peer=peer, facility=23, severity=3, tag=Pattern.of("{app}"), json=True
        )
        self.assertEqual(forward.to, wanted)

    def test_fluentd(self) -> None:
        """
        Fluentd: TCP or a unix socket; it has to acknowledge unless told otherwise.
        """
        forward = self.forward("fluentd = tcp:127.0.0.1")
        peer = Peer(kind="tcp", host="127.0.0.1", port=24224)
        tag = Pattern.of("smartmob.{app}.{process_type}")
        self.assertEqual(forward.to, ToFluentd(peer=peer, tag=tag, ack=True))
        forward = self.forward("fluentd = unix:/run/f.sock\ntag = a.{slug}\nack = no")
        peer = Peer(kind="unix", host="/run/f.sock")
        self.assertEqual(
            forward.to, ToFluentd(peer=peer, tag=Pattern.of("a.{slug}"), ack=False)
        )

    def test_wrong(self) -> None:
        """
        What can't be meant is refused, with its place.
        """
        for lines, why in WRONG.items():
            [mistake] = self.mistakes(f"[forward:x]\n{lines}\n")
            self.assertIn(why, mistake, lines)
            self.assertIn("[forward:x]", mistake)

    def test_samePath(self) -> None:
        """
        Two may not write to, and move away, the same files.
        """
        [mistake] = self.mistakes("[forward:a]\npath = x\n[forward:b]\npath = ./x\n")
        self.assertEqual(
            mistake,
            "agent.ini:4: [forward:b] path: is that of [forward:a] too, which moves its files",
        )

    def test_sameFiles(self) -> None:
        """
        So it is where the paths are written otherwise, or one is where backups of another are.
        """
        backup, backups = "is a backup of the files of [forward:a]", "has backups where"
        for one, other, why in (
            ("{slug}.log", "{app}.{node}.log", "is that of [forward:a] too"),
            ("x.log", "x.log.1", backup),
            ("{slug}.log", "{app}.{node}.log.10", backup),
            ("x.log\nbackups = 3", "x.log.3", backup),
            ("x.log.7", "x.log", f"{backups} [forward:a] has its files"),
        ):
            text = f"[forward:a]\npath = {one}\n[forward:b]\npath = {other}\n"
            [mistake] = self.mistakes(text)
            self.assertIn(f"[forward:b] path: {why}", mistake)
        for one, other in (
            ("x.log", "x.log.11"),
            ("x.log\nbackups = 3", "x.log.4"),
            ("x.log\nmax_bytes = 0", "x.log.1"),
            ("x.log", "x.log.0"),
            ("x.log", "x.log.01"),
            ("x.log", "x.log.a"),
            ("x.log", "x.log2"),
            ("x.log", "x.log.²"),
            ("{app}.log", "{node}.log"),
        ):
            text = f"[forward:a]\npath = {one}\n[forward:b]\npath = {other}\n"
            self.assertEqual(len(self.load(text).forwards), 2, text)

    def test_names(self) -> None:
        """
        It needs a name, which metrics and logs can say.
        """
        for name in ("", "a b", "ä"):
            [mistake] = self.mistakes(f"[forward:{name}]\npath = x\n")
            self.assertIn("needs a name", mistake)

    def test_odd(self) -> None:
        """
        Keys that mean nothing there, or nowhere, are warnings.
        """
        said = self.warnings("[forward:x]\npath = a\nack = no\nseverty = err\napps =\n")
        self.assertEqual(len(said), 3)
        self.assertIn("ack: means nothing beside path, only beside fluentd", said[0])
        self.assertIn("did you mean severity?", said[1])
        self.assertIn("apps: has no value, which is as if it were not there", said[2])
        said = self.warnings("[forwards:x]\npath = a\n")
        self.assertIn("did you mean forward:x?", said[0])
