"""
Tests of L{smartmob.options}.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from io import StringIO
from pathlib import Path

from twisted.python import usage
from twisted.trial.unittest import SynchronousTestCase

from smartmob import __version__
from smartmob.config.configuration import BadConfiguration
from smartmob.launch import helper
from smartmob.lines import encoder
from smartmob.logs import LogFile
from smartmob.options import Options
from smartmob.standalone import AgentOptions
from tests.support.certificates import pair
from tests.support.papers import options as named

FILE = """
[gaffer]
http_endpoints = one, two
pidfile = run/agent.pid
state_dir = state

[endpoint:one]
bind = 127.0.0.1:5001

[endpoint:two]
bind = 127.0.0.1:5002

[process:web]
cmd = sleep 1000
numprocesses = 3
"""


class CommandLine(SynchronousTestCase):
    """
    Reads command lines, in a folder of the test's own.
    """

    def setUp(self) -> None:
        """
        Go to the folder; the environment names no other.
        """
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.addCleanup(os.chdir, Path.cwd())
        os.chdir(self.folder)
        clean = {name: os.environ[name] for name in os.environ if name != "STATE_DIRECTORY"}
        self.patch(os, "environ", clean)

    def write(self, text: str = FILE, name: str = "gaffer.ini") -> Path:
        """
        A configuration file.
        """
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def parse(self, *words: str) -> Options:
        """
        Read a command line.
        """
        options = AgentOptions()
        options.parseOptions(words)
        return options

    def binds(self, *words: str) -> list[str]:
        """
        Where an agent that is started so listens.
        """
        endpoints = self.parse(*words)["configuration"].endpoints
        return [bind for endpoint in endpoints for bind in endpoint.bind]

    def said(self, *words: str) -> tuple[int, str, str]:
        """
        How a command line ends the program, and what it says: code, output, errors.
        """
        out, err = StringIO(), StringIO()
        self.patch(sys, "stdout", out)
        self.patch(sys, "stderr", err)
        with self.assertRaises(SystemExit) as caught:
            self.parse(*words)
        code = caught.exception.code
        return int(code or 0), out.getvalue(), err.getvalue()

    def refused(self, *words: str) -> str:
        """
        The line that says why a command line is wrong.
        """
        code, out, err = self.said(*words)
        self.assertEqual((code, out), (2, ""), words)
        self.assertEqual(err.count("\n"), 1, err)
        self.assertTrue(err.startswith("smartmob: "), err)
        return err.removeprefix("smartmob: ").rstrip("\n")


class OptionsTests(CommandLine):
    """
    What can be said on the command line.
    """

    def test_defaults(self) -> None:
        """Without options: loopback, and a folder where the agent was started."""
        options = self.parse()
        self.assertEqual(self.binds(), ["127.0.0.1:8080"])
        self.assertEqual(options["state-dir"], self.folder / ".smartmob")
        self.assertEqual(options["verbosity"], 0)
        self.assertIsNone(options["log"])
        self.assertIsNone(options["pidfile"])
        self.assertFalse(os.listdir(self.folder))

    def test_repeated(self) -> None:
        """Addresses may repeat, and so may -v."""
        self.assertEqual(
            self.binds("--bind", "127.0.0.1:1", "--bind=127.0.0.1:2"),
            ["127.0.0.1:1", "127.0.0.1:2"],
        )
        for words, verbosity in ((["-v"], 1), (["-vv"], 2), (["-v", "--verbose"], 2)):
            self.assertEqual(self.parse(*words)["verbosity"], verbosity)

    def test_wrong(self) -> None:
        """What is wrong is said in one line on standard error, with exit code 2."""
        for words, word in (
            (["--nonsense"], "--nonsense"),
            (["-x"], "-x"),
            (["--backlog", "many"], "many"),
            (["--backlog", "0"], "0"),
            (["--backlog", "65536"], "65536"),
            (["--log-format", "xml"], "xml"),
            (["--log-level", "loud"], "loud"),
            (["--bind"], "--bind"),
            (["--bind", "8080"], "8080"),
            (["--insecure=yes"], "--insecure"),
            (["--config="], "--config"),
            ([""], "--config"),
            (["--log-file", ""], "--log-file"),
            (["one.ini", "two.ini"], "two.ini"),
            (["--keyfile", "key.pem"], "--certfile"),
            (["--certfile", "nowhere.pem"], str(self.folder / "nowhere.pem")),
        ):
            self.assertIn(word, self.refused(*words), words)

    def test_version(self) -> None:
        """--version prints the version, and what of it runs compiled."""
        kinds = f"guardian: {helper.runs()}, frames: {encoder.runs(os.environ)}"
        known = f"smartmob {__version__} ({kinds})\n"
        self.assertEqual(self.said("--version"), (0, known, ""))
        python = {helper.VARIABLE: helper.PYTHON, encoder.VARIABLE: encoder.PYTHON}
        self.patch(os, "environ", {**os.environ, **python})
        known = f"smartmob {__version__} (guardian: python, frames: python)\n"
        self.assertEqual(self.said("--version"), (0, known, ""))

    def test_guardian(self) -> None:
        """Which guardian has to be used says the environment; there are two."""
        self.patch(os, "environ", {**os.environ, helper.VARIABLE: ""})
        self.assertIsNone(self.parse()["guardian"])
        self.patch(os, "environ", {**os.environ, helper.VARIABLE: "python"})
        self.assertEqual(self.parse()["guardian"], "python")
        self.patch(os, "environ", {**os.environ, helper.VARIABLE: "perl"})
        for words in ([], ["--check"], ["--version"]):
            self.assertEqual(
                self.refused(*words),
                "SMARTMOB_GUARDIAN is compiled or python, not 'perl'",
            )

    def test_frames(self) -> None:
        """Who makes frames says the environment, too."""
        for kind in ("", "python"):
            self.patch(os, "environ", {**os.environ, encoder.VARIABLE: kind})
            self.parse()
        self.patch(os, "environ", {**os.environ, encoder.VARIABLE: "perl"})
        for words in ([], ["--check"], ["--version"]):
            self.assertEqual(
                self.refused(*words),
                "SMARTMOB_FRAMES is compiled or python, not 'perl'",
            )

    def test_help(self) -> None:
        """-h and --help show the synopsis and every option, whatever the terminal's width."""
        known = {f"--{name.rstrip('=')}" for name in AgentOptions().longOpt if len(name) > 1}
        for columns in ("20", "80", "200"):
            self.patch(os, "environ", {**os.environ, "COLUMNS": columns})
            for word in ("-h", "--help"):
                code, out, _ = self.said(word)
                self.assertEqual(code, 0)
                self.assertEqual(
                    out.splitlines()[0], "Usage: smartmob-agent [options] [CONFIG]"
                )
                self.assertEqual(named(out), known)
                self.assertLessEqual(max(map(len, out.splitlines())), max(int(columns), 50))

    def test_order(self) -> None:
        """Options may stand behind the file, too, and -- ends them."""
        self.write()
        options = self.parse("gaffer.ini", "-v", "--bind", "127.0.0.1:1", "-p", ".")
        self.assertEqual((options["verbosity"], options["bind"]), (1, ["127.0.0.1:1"]))
        self.write(name="-v")
        options = self.parse("--", "-v")
        self.assertEqual(options["config"], str(self.folder / "-v"))
        self.assertEqual(options["verbosity"], 0)

    def test_noReactor(self) -> None:
        """Nothing of this installs a reactor: a daemon makes its own after it has forked."""
        self.write()
        program = (
            "import sys; from smartmob.standalone import AgentOptions;"
            "AgentOptions().parseOptions(['gaffer.ini']);"
            "sys.exit('twisted.internet.reactor' in sys.modules)"
        )
        done = subprocess.run(
            (sys.executable, "-c", program),
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            check=False,
        )
        self.assertEqual(done.returncode, 0)


class FileTests(CommandLine):
    """
    The configuration file, and the command line over it.
    """

    def test_file(self) -> None:
        """-c, --config and the argument name it."""
        path = self.write()
        for words in (["-c", "gaffer.ini"], ["--config=gaffer.ini"], ["gaffer.ini"]):
            options = self.parse(*words)
            self.assertEqual(options["configuration"].path, str(path))
            self.assertEqual(self.binds(*words), ["127.0.0.1:5001", "127.0.0.1:5002"])

    def test_argument(self) -> None:
        """The argument wins over -c, wherever it stands."""
        path = self.write()
        for words in (["-c", "other.ini", "gaffer.ini"], ["gaffer.ini", "-c", "other.ini"]):
            self.assertEqual(self.parse(*words)["configuration"].path, str(path))

    def test_endpoints(self) -> None:
        """--bind takes the place of all endpoints; a [gaffer] section has its own default."""
        self.write()
        self.assertEqual(self.binds("gaffer.ini", "--bind", "127.0.0.1:0"), ["127.0.0.1:0"])
        self.write("[gaffer]\n")
        self.assertEqual(self.binds("gaffer.ini"), ["127.0.0.1:5000"])
        self.write("[process:a]\ncmd = true\n")
        self.assertEqual(self.binds("gaffer.ini"), ["127.0.0.1:8080"])
        [endpoint] = self.parse("gaffer.ini", "--backlog", "7")["configuration"].endpoints
        self.assertEqual((endpoint.bind, endpoint.backlog), (("127.0.0.1:8080",), 7))

    def test_stateFolder(self) -> None:
        """The command line's, else the file's, else the service manager's first one."""
        self.write()
        self.patch(os, "environ", {"STATE_DIRECTORY": "/var/lib/x:/var/lib/y"})
        self.assertEqual(
            self.parse("gaffer.ini", "--state-dir", "y")["state-dir"], self.folder / "y"
        )
        self.assertEqual(self.parse("gaffer.ini")["state-dir"], self.folder / "state")
        self.assertEqual(self.parse()["state-dir"], Path("/var/lib/x"))

    def test_paths(self) -> None:
        """
        Paths on the command line start where it was given, those of the file at its folder.
        """
        self.write(name="etc/gaffer.ini")
        options = self.parse("etc/gaffer.ini")
        self.assertEqual(options["state-dir"], self.folder / "etc" / "state")
        self.assertEqual(options["pidfile"], self.folder / "etc" / "run" / "agent.pid")
        (self.folder / "plugins").mkdir()
        options = self.parse(
            *("etc/gaffer.ini", "-p", "plugins", "--pidfile", "pid", "--state-dir", "here"),
            *("--log-file", "log", "--bind", "unix:socket:mode=660"),
        )
        settings = options["configuration"].settings
        self.assertEqual(options["state-dir"], self.folder / "here")
        self.assertEqual(options["pidfile"], self.folder / "pid")
        self.assertEqual(options["log"].path, self.folder / "log")
        self.assertEqual(settings.plugins_dirs, (str(self.folder / "plugins"),))
        [endpoint] = options["configuration"].endpoints
        self.assertEqual(endpoint.bind, (f"unix:{self.folder}/socket:mode=660",))

    def test_gone(self) -> None:
        """A relative path is refused in a folder that is gone; an absolute one is not."""
        path = self.write()
        gone = self.folder / "gone"
        gone.mkdir()
        os.chdir(gone)
        gone.rmdir()
        self.assertIn("gone", self.refused("gaffer.ini"))
        self.assertIn("gone", self.refused())
        options = self.parse(str(path))
        self.assertEqual(options["configuration"].path, str(path))

    def test_again(self) -> None:
        """It is read again with the same command line, from any folder."""
        path = self.write()
        options = self.parse("gaffer.ini", "--bind", "127.0.0.1:0", "--state-dir", "here")
        os.chdir("/")
        path.write_text(FILE.replace("= 3", "= 4"))
        again = options.read()
        self.assertEqual([each.numprocesses for each in again.templates], [4])
        self.assertEqual(again.endpoints, options["configuration"].endpoints)
        self.assertEqual(again.settings, options["configuration"].settings)
        path.write_text("[process:web]\n")
        with self.assertRaises(BadConfiguration):
            options.read()

    def test_nothingToReadAgain(self) -> None:
        """Without a file what is read again is the command line."""
        options = self.parse("--bind", "127.0.0.1:0")
        self.assertEqual(options.read().endpoints, options["configuration"].endpoints)

    def test_unreadable(self) -> None:
        """A file that is missing, is a folder or no text is one line that names it."""
        (self.folder / "folder").mkdir()
        (self.folder / "latin.ini").write_bytes(b"[process:\xe9]\n")
        for name in ("missing.ini", "folder", "latin.ini", "gaffer.ini/below"):
            self.write()
            self.assertIn(str(self.folder / name), self.refused(name))
            self.assertNotIn("Errno", self.refused("-c", name))
        path = self.write()
        path.chmod(0)
        if not os.access(path, os.R_OK):  # root may read it all the same
            self.assertIn("Permission denied", self.refused("gaffer.ini"))

    def test_mistake(self) -> None:
        """A mistake is named with file, line, section and key."""
        path = self.write("[process:web]\ncmd = true\nnumprocesses = many\n")
        line = self.refused("gaffer.ini")
        self.assertTrue(line.startswith(f"{path}:3: [process:web] numprocesses: "), line)
        self.assertNotIn("--check", line)

    def test_mistakes(self) -> None:
        """Of several the first is named, and how to see the others."""
        path = self.write("[process:web]\nnumprocesses = many\nshell = perhaps\nuid = -9\n")
        code, out, err = self.said("--check", "gaffer.ini")
        self.assertEqual((code, out), (2, ""))
        lines = err.splitlines()
        self.assertGreater(len(lines), 2)
        for line in lines:
            self.assertTrue(line.startswith(f"{path}:"), line)
        refused = self.refused("gaffer.ini")
        self.assertEqual(refused, f"{lines[0]} (and {len(lines) - 1} more: --check shows all)")

    def test_mistakesAndWarnings(self) -> None:
        """--check shows what is odd beside what is wrong: it may be why."""
        path = self.write("[process:web]\nCMD = true\n")
        code, _, err = self.said("--check", "gaffer.ini")
        odd, wrong = err.splitlines()
        self.assertEqual(code, 2)
        self.assertTrue(odd.startswith(f"warning: {path}:2: [process:web] CMD: "), odd)
        self.assertTrue(wrong.startswith(f"{path}:1: [process:web] "), wrong)
        self.assertNotIn("CMD", self.refused("gaffer.ini"))

    def test_warnings(self) -> None:
        """What is only odd is no mistake, and told by whoever starts the agent."""
        path = self.write("[process:web]\ncmd = true\ncolour = red\n")
        options = self.parse("gaffer.ini", "-p", "nowhere")
        one, other = options["configuration"].warnings
        self.assertTrue(one.startswith(f"{path}:3: "), one)
        self.assertIn(str(self.folder / "nowhere"), other)


class CheckTests(CommandLine):
    """
    C{--check}
    """

    def test_ok(self) -> None:
        """All is well: what was found on standard output, exit 0, and no file is made."""
        self.write()
        self.assertEqual(
            self.said("--check", "gaffer.ini", "--daemon", "--log-file", "log"),
            (0, "gaffer.ini: OK: 3 processes, 2 endpoints\n", ""),
        )
        self.assertEqual(os.listdir(self.folder), ["gaffer.ini"])

    def test_noFile(self) -> None:
        """A command line can be checked without a file, too."""
        self.assertEqual(self.said("--check"), (0, "OK: 0 processes, 1 endpoint\n", ""))
        self.assertEqual(self.said("--check", "--bind", "nowhere")[0], 2)

    def test_warnings(self) -> None:
        """What is only odd is said on standard error, and is no failure."""
        self.write("[process:web]\ncmd = true\ncolour = red\n")
        code, out, err = self.said("gaffer.ini", "--check")
        self.assertEqual((code, out), (0, "gaffer.ini: OK: 1 process, 1 endpoint\n"))
        self.assertRegex(err, r"\Awarning: .*gaffer\.ini:3: .*colour.*\n\Z")

    def test_certificates(self) -> None:
        """Certificates are looked at, each endpoint's; and what the addresses are."""
        (self.folder / "one.pem").write_text("no certificate")
        path = self.write(
            "[gaffer]\nhttp_endpoints = one, two, three\n"
            "[endpoint:one]\nbind = 127.0.0.1:0\ncertfile = one.pem\n"
            "[endpoint:two]\nbind = 127.0.0.1:0\n"
            "[endpoint:three]\nbind = fd:77\n"
        )
        code, out, err = self.said("--check", "gaffer.ini")
        self.assertEqual((code, out), (2, ""))
        one, three = err.splitlines()
        bad = f"{path}:5: [endpoint:one] certfile: {self.folder / 'one.pem'}: "
        self.assertTrue(one.startswith(bad), one)
        self.assertTrue(three.startswith(f"{path}:9: [endpoint:three] bind: 'fd:77' "), three)
        self.assertTrue(self.refused("gaffer.ini").startswith(bad))
        for words in (["--certfile", "one.pem"], ["--check", "--certfile", "one.pem"]):
            code, _, err = self.said(*words)
            self.assertEqual(code, 2)
            self.assertIn(f"command line: --certfile: {self.folder}/one.pem: ", err)

    def test_expired(self) -> None:
        """A certificate that expired is a warning, also at a start."""
        pair("old", days=(-3, -2)).write(self.folder / "cert.pem", self.folder / "key.pem")
        path = self.write(
            "[gaffer]\nhttp_endpoints = one\n[endpoint:one]\nbind = 127.0.0.1:0\n"
            "certfile = cert.pem\nkeyfile = key.pem\n"
        )
        code, out, err = self.said("--check", "gaffer.ini")
        self.assertEqual((code, out), (0, "gaffer.ini: OK: 0 processes, 1 endpoint\n"))
        warning = f"{path}:5: [endpoint:one] certfile: {self.folder}/cert.pem: the certificate "
        self.assertTrue(err.startswith(f"warning: {warning}of CN=old expired on "), err)
        [said] = self.parse("gaffer.ini")["configuration"].warnings
        self.assertEqual(f"warning: {said}\n", err)

    def test_reachable(self) -> None:
        """Where other machines could reach the agent, --check says what that needs."""
        path = self.write(
            "[gaffer]\nhttp_endpoints = one\n[endpoint:one]\nbind = 127.0.0.1:0, 0.0.0.0:0\n"
        )
        code, _, err = self.said("--check", "gaffer.ini")
        self.assertEqual(code, 2)
        self.assertIn(f"{path}:4: [endpoint:one] bind: 0.0.0.0:0 ", err)
        self.assertIn("--insecure", err)
        self.assertEqual(self.said("--check", "gaffer.ini", "--insecure")[0], 0)
        self.assertEqual(self.said("--check", "--bind", "[::]:0")[0], 2)

    def test_reachableOtherwise(self) -> None:
        """So it does where that is said by an endpoint string, or of a socket handed down."""
        with socket.socket() as handed:
            handed.bind(("0.0.0.0", 0))
            handed.listen()
            for address in ("tcp:0", "tcp6:0", "haproxy:tcp:0", f"fd:{handed.fileno()}"):
                code, _, err = self.said("--check", "--bind", address)
                self.assertEqual(code, 2, address)
                self.assertIn(f"command line: --bind: {address} can be reached ", err)
                self.assertEqual(self.said("--check", "--bind", address, "--insecure")[0], 0)
        for address in ("tcp:0:interface=127.0.0.1", "tcp:0:interface=localhost"):
            self.assertEqual(self.said("--check", "--bind", address)[0], 0, address)

    def test_nowhere(self) -> None:
        """What no machine can listen on is found as well: ports, paths, files in the way."""
        (self.folder / "file").write_text("")
        for address, why in (
            ("tcp:99999", "a port is at most 65535"),
            ("tcp:-1:interface=127.0.0.1", "a port is at most 65535"),
            (f"unix:/{'x' * 107}", "has at most 107 bytes, and this one has 108"),
            (f"unix:{self.folder}/file", "is there and is no socket"),
            (f"unix:{self.folder}/file/socket", "Not a directory"),
        ):
            code, _, err = self.said("--check", "--bind", address)
            self.assertEqual(code, 2, address)
            self.assertIn("command line: --bind: ", err)
            self.assertIn(why, err)
        self.assertEqual(self.said("--check", "--bind", f"unix:/{'x' * 106}")[0], 0)

    def test_twice(self) -> None:
        """What is wrong only beside another endpoint is found, too."""
        code, _, err = self.said("--check", "--bind", "localhost:1", "--bind", "127.0.0.1:1")
        self.assertEqual(code, 2)
        self.assertIn("127.0.0.1:1", err)

    def test_oddNames(self) -> None:
        """A file's name that no terminal can show is shown escaped."""
        name = os.fsdecode(b"caf\xe9\n.ini")
        (self.folder / name).write_text(FILE)
        code, out, _ = self.said("--check", name)
        self.assertEqual(code, 0)
        self.assertEqual(out, "caf\\udce9 .ini: OK: 3 processes, 2 endpoints\n")


class Parent(usage.Options):
    """
    The command that the agent is a plugin of, twistd or twist.
    """

    def __init__(self, **said: object) -> None:
        super().__init__()
        self.subCommand = "smartmob"
        self.update(said)

    def getSynopsis(self) -> str:
        """
        How it is called.
        """
        return "Usage: twistd [options]"


class PluginTests(CommandLine):
    """
    As a plugin of twistd and twist.
    """

    def under(self, parent: Parent, *words: str) -> Options:
        """
        Read a command line below another one.
        """
        options = Options()
        options.parent = parent
        options.parseOptions(words)
        return options

    def test_twistd(self) -> None:
        """
        A twistd logs as the agent does, unless it is told how to log, or goes to the
        background; a log file that the agent is told wins over both.
        """
        for said, ours in (
            ({"nodaemon": 1}, True),
            ({"nodaemon": 0}, False),
            ({"nodaemon": 1, "logfile": "x"}, False),
            ({"nodaemon": 1, "syslog": 1}, False),
        ):
            options = self.under(Parent(**said))
            self.assertEqual(options["observer"] is not None, ours, said)
            options = self.under(Parent(**said), "--log-file", "log")
            self.assertIsNotNone(options["observer"])
            self.assertIsInstance(options["log"], LogFile)

    def test_twist(self) -> None:
        """A twist logs as the agent does, to the file that it is told, if any."""
        parent = Parent(fileLogObserverFactory=None, logLevel=None)
        options = self.under(parent, "--log-level", "debug")
        self.assertIsNone(options["observer"])
        self.assertIsNotNone(parent["logLevel"])
        out = StringIO()
        parent["fileLogObserverFactory"](out)(
            {"log_format": "hello", "log_namespace": "smartmob", "log_time": 0.0}
        )
        self.assertIn("hello", out.getvalue())

    def test_help(self) -> None:
        """The synopsis has both commands."""
        out = StringIO()
        self.patch(sys, "stdout", out)
        with self.assertRaises(SystemExit):
            self.under(Parent(nodaemon=1), "--help")
        first = out.getvalue().splitlines()[0]
        self.assertEqual(first, "Usage: twistd [options] smartmob [options] [CONFIG]")
        self.assertNotIn("--daemon", out.getvalue())
