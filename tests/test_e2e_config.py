"""
The keys of C{[process:NAME]}, applied to programs: what they are started with.
"""

from __future__ import annotations

import grp
import os
import pwd
import signal
import sys
from pathlib import Path

from twisted.trial.unittest import SkipTest

from tests.support.agent_process import program
from tests.support.configured_agent import section
from tests.support.living import running, until
from tests.support.telling import TellingTestCase, once

FOREIGN_GROUP = 54_321
"""Of the agent, not of its programs."""

IN_GROUP = (
    f"import os, sys; os.setgroups([{FOREIGN_GROUP}]); os.execv(sys.argv[1], sys.argv[1:])"
)
"""Has an agent that is root be in a group besides."""

NO_RIGHT = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(24, 7, 0, 0, 0)  # PR_CAPBSET_DROP, CAP_SETUID
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Has an agent that is root be without the right to become anybody."""

WHO = """/bin/sh -c 'id -u; id -g; id -G; echo "$HOME $USER $LOGNAME"'"""


def someone() -> pwd.struct_passwd:
    """
    A user that is not root, of as many groups as there is one of.
    """
    users = [user for user in pwd.getpwall() if user.pw_uid and user.pw_gid]
    if not users:
        raise SkipTest("there is no user but root")
    return max(users, key=lambda user: len(os.getgrouplist(user.pw_name, user.pw_gid)))


class PlaceTests(TellingTestCase):
    """
    Where a program is found, and where it runs.
    """

    def setUp(self) -> None:
        """
        The file is not where the agent is started.
        """
        super().setUp()
        self.file = self.folder / "etc" / "gaffer.ini"
        for path in ("etc/tell", "etc/sub/tell"):
            self.teller(self.folder / path)

    async def test_cwd(self) -> None:
        """
        It is relative to the file, or absolute, or the file's folder where none is said;
        C{./program} is the one in it.
        """
        _, remote = await self.configured(
            once("none"),
            once("relative", cwd="sub"),
            once("upwards", cwd="../"),
            once("absolute", cwd=self.folder / "etc" / "sub"),
            once("home", cwd="~"),
            once("elsewhere", "../tell", cwd="sub"),
            env={"HOME": str(self.folder)},
        )
        for name, folder, found in (
            ("none", "etc", "etc/tell"),
            ("relative", "etc/sub", "etc/sub/tell"),
            ("upwards", ".", "tell"),
            ("absolute", "etc/sub", "etc/sub/tell"),
            ("home", ".", "tell"),
            ("elsewhere", "etc/sub", "etc/tell"),
        ):
            told = await self.told(remote, name)
            self.assertEqual(Path(told["cwd"]), self.folder / folder, name)
            self.assertEqual(Path(told["program"]), self.folder / found, name)

    async def test_daemon(self) -> None:
        """
        In the background the same, where the file is said relative to the agent's start.
        """
        self.write(once("a"), once("b", cwd="sub"))
        command = self.spawn_agent("--daemon", "etc/gaffer.ini", "--pidfile=agent.pid", bind=())
        self.assertEqual(await command.exit(), 0, command.err)
        pid = int((self.folder / "agent.pid").read_text())
        url = (self.state / "agent.log").read_text().split("Listening on ")[1].split()[0]
        remote = self.remote(url)
        self.assertEqual(Path((await self.told(remote, "a"))["cwd"]), self.folder / "etc")
        self.assertEqual(Path((await self.told(remote, "b"))["cwd"]), self.folder / "etc/sub")
        os.kill(pid, signal.SIGTERM)
        await until(lambda: not running([pid]), "the end of the daemon")

    async def test_missing(self) -> None:
        """
        A folder or a program that is not there fails its process, which says so, and no other.
        """
        _, remote = await self.configured(
            once("folder", cwd="nowhere"), once("program", "./nothing"), once("fine")
        )
        for name, code, said in (("folder", 126, "nowhere"), ("program", 127, "nothing")):
            document = await remote.state(f"default.{name}.0", "failed")
            self.assertEqual(document["last_exit"]["code"], code)
            self.assertIn(said, document["reason"])
        await self.told(remote, "fine")


class WordsTests(TellingTestCase):
    """
    What is executed.
    """

    async def test_words(self) -> None:
        """
        C{cmd} and C{args} are words with a shell's quotes; C{$NAME} is of the process's own
        environment, C{$$} a dollar sign, what is not set stays, and nothing else is replaced.
        """
        _, remote = await self.configured(
            once(
                "args", "./tell one 'two  words'", args='"three 3" a\\ b ; # * ~ | %(x)s 100%'
            ),
            once(
                "names",
                "./tell $OWN ${OWN}-x $$OWN $UNSET ${UNSET}",
                args="$OWN $SMARTMOB_SLUG",
            ),
            "[env:names]\nOWN = its  own $HOME\n",
            once("port", "./tell $PORT $OUTER"),
            env={"OUTER": "outer"},
        )
        self.assertEqual(
            (await self.told(remote, "args"))["words"],
            ["one", "two  words", "three 3", "a b", ";", "#", "*", "~", "|", "%(x)s", "100%"],
        )
        self.assertEqual(
            (await self.told(remote, "names"))["words"],
            [
                *("its  own $HOME", "its  own $HOME-x", "$OWN", "$UNSET", "${UNSET}"),
                *("its  own $HOME", "default.names.0"),
            ],
        )
        port = (await remote.get("/process-status/default.port.0"))["port"]
        self.assertEqual((await self.told(remote, "port"))["words"], [str(port), "outer"])

    async def test_shell(self) -> None:
        """
        With C{shell} both are the shell's as they are written, and an argument is no more
        than that.
        """
        _, remote = await self.configured(
            once(
                "a",
                'echo "$OWN"; echo $$ |',
                args='grep -c "[0-9]"; ./tell  "a  b" %s',
                shell=1,
            ),
            "[env:a]\nOWN = x  y\n",
            once("b", "echo $1; (exit 3) ||", args="echo or", shell="yes"),
            once("c", "./tell ';' echo", shell="false"),
        )
        own, count, told = await self.lines(remote, "default.a.0")
        self.assertEqual((own, count), ("x  y", "1"))
        self.assertIn('"words": ["a  b", "%s"]', told)
        self.assertEqual(await self.lines(remote, "default.b.0"), ["", "or"])
        self.assertEqual((await self.told(remote, "c"))["words"], [";", "echo"])


class EnvironmentTests(TellingTestCase):
    """
    The variables of a program.
    """

    async def test_environment(self) -> None:
        """
        C{[env:NAME]} wins over C{env}, that over the agent's own variables, which
        C{os_env = false} leaves out but for four, and C{env_remove} for all.
        """
        gone = ("AWS_KEY", "A_SECRET", "NOTIFY_SOCKET", "SMARTMOB_TOKEN", "MAINPID")
        self.write(
            once("all", env="ONE=1, Two='2, 3' THREE=env"),
            '[env:all]\nTHREE = [env]\nLower = %(x)s "q" ; no comment\nPS = mine\n',
            once("bare", os_env="false"),
            "[env:default:bare]\nOWN = own\n",
            once("empty", os_env="no", env="PATH=/nowhere"),
        )
        removing = "[gaffer]\nenv_remove = AWS_*, *_SECRET"
        self.file.write_text(self.file.read_text().replace("[gaffer]", removing))
        agent = self.spawn_agent(
            *("-c", str(self.file)),
            bind=(),
            env={
                **dict.fromkeys(("OUTER", "THREE"), "outer"),
                **dict.fromkeys(gone, "x"),
            },
        )
        [url] = await agent.listens()
        remote = self.remote(url)
        own = {"PORT", "PS", "DYNO", "SMARTMOB_APP", "SMARTMOB_NODE", "SMARTMOB_SLUG"}
        env = (await self.told(remote, "all"))["env"]
        wanted = {"ONE": "1", "Two": "2, 3", "THREE": "[env]", "OUTER": "outer", "PS": "mine"}
        wanted |= {"Lower": '%(x)s "q" ; no comment', "SMARTMOB_SLUG": "default.all.0"}
        self.assertEqual({name: env.get(name) for name in wanted}, wanted)
        for name in gone:
            self.assertNotIn(name, env)
        self.assertEqual(env["PATH"], os.environ["PATH"])
        env = (await self.told(remote, "bare"))["env"]
        kept = {name for name in ("PATH", "HOME", "USER", "LOGNAME") if name in os.environ}
        # C.UTF-8 is Python's own doing: PEP 538.
        self.assertEqual(set(env) - {"LC_CTYPE"}, kept | own | {"OWN"})
        self.assertEqual(env["PATH"], os.environ["PATH"])
        self.assertEqual(env["OWN"], "own")
        self.assertEqual((await self.told(remote, "empty"))["env"]["PATH"], "/nowhere")
        # What its program itself has said is in its last exits.
        self.assertNotIn(b"[env]", (await remote.ask("GET", "/list-processes")).body)


class IdentityTests(TellingTestCase):
    """
    C{uid} and C{gid}.
    """

    async def test_identity(self) -> None:
        """
        A program has the user's number, group and other groups, by name and by number, and
        its HOME, USER and LOGNAME; nothing of the agent's.
        """
        if os.geteuid():
            raise SkipTest("NOT TESTED as a plain user: uid and gid need an agent that is root")
        user = someone()
        group = grp.getgrgid(user.pw_gid)
        keys = {"cwd": "/", "command": WHO}
        self.write(
            *(once("name", uid=user.pw_name, **keys), once("number", uid=user.pw_uid, **keys)),
            once("both", uid=user.pw_name, gid=12_345, **keys),
            once("named", uid=user.pw_uid, gid=group.gr_name, **keys),
            once("nobody", uid=4_000_001, gid=12_345, **keys),
            *(once("group", gid=12_345, **keys), once("agent", **keys)),
            once("bare", uid=user.pw_name, os_env="false", **keys),
            once("shell", WHO, uid=user.pw_name, cwd="/", shell="true"),
            once("own", uid=user.pw_name, env="HOME=/srv", **keys),
            section("stays", uid=user.pw_name, cwd="/", command="/bin/sleep 1000"),
        )
        agent = self.spawn(
            *(sys.executable, "-c", IN_GROUP, program("smartmob-agent")),
            *("-c", str(self.file), "--state-dir", str(self.state)),
            env={"HOME": "/root", "USER": "root", "LOGNAME": "root"},
        )
        [url] = await agent.listens()
        remote = self.remote(url)
        uid, gid, home = user.pw_uid, user.pw_gid, user.pw_dir
        groups = {*os.getgrouplist(user.pw_name, gid)}
        its = f"{home} {user.pw_name} {user.pw_name}"
        for name, said in {
            "name": (uid, gid, groups, its),
            "number": (uid, gid, groups, its),
            "named": (uid, gid, groups, its),
            "bare": (uid, gid, groups, its),
            "shell": (uid, gid, groups, its),
            "own": (uid, gid, groups, f"/srv {user.pw_name} {user.pw_name}"),
            "both": (uid, 12_345, {*os.getgrouplist(user.pw_name, 12_345), 12_345}, its),
            "nobody": (4_000_001, 12_345, {12_345}, "  "),
            "group": (0, 12_345, {12_345, FOREIGN_GROUP}, "/root root root"),
            "agent": (0, 0, {0, FOREIGN_GROUP}, "/root root root"),
        }.items():
            told = await self.lines(remote, f"default.{name}.0")
            self.assertEqual(
                (int(told[0]), int(told[1]), {*map(int, told[2].split())}, told[3]), said, name
            )
        pid = (await remote.state("default.stays.0", "running"))["pid"]
        self.assertEqual(os.stat(f"/proc/{pid}").st_uid, uid)
        await remote.post("/delete-process/default.stays.0")
        self.assertEqual(running([pid]), [])

    async def test_noRight(self) -> None:
        """
        A user that the agent can't become is exit 2 and a line; nothing runs as the agent's
        user instead.
        """
        other = "root" if os.geteuid() else "4000001"
        made = self.folder / "made"
        self.write(
            section("first", f"touch {made}"),
            section("second", f"touch {made}", uid=other, gid=0),
        )
        place = self.file.read_text().splitlines().index(f"uid = {other}") + 1
        command = (sys.executable, "-c", NO_RIGHT, program("smartmob-agent"), str(self.file))
        for more in ((), ("--check",), ("--daemon",)):
            agent = self.spawn(*command, *more, "--state-dir", str(self.state))
            self.assertEqual(await agent.exit(), 2, agent.err)
            await agent.says_no_more()
            [line] = agent.err.decode().splitlines()
            self.assertIn(f"{self.file}:{place}: [process:second] uid: ", line)
            self.assertIn("no right", line)
            self.assertEqual(agent.below(), [])
        self.assertFalse(made.exists())
        self.assertFalse(self.state.exists())

    async def test_noUser(self) -> None:
        """
        A user or a group that does not exist is exit 2 and a line.
        """
        for key in ("uid", "gid"):
            self.write(section("a", **{key: "no-such-one"}))
            agent = self.spawn_agent(str(self.file), bind=())
            self.assertEqual(await agent.exit(), 2, agent.err)
            await agent.says_no_more()
            self.assertRegex(
                agent.err.decode(), rf":\d+: \[process:a\] {key}: .*'no-such-one'\n\Z"
            )


class BoundsTests(TellingTestCase):
    """
    What a program may do, and what is said of it.
    """

    async def test_bounds(self) -> None:
        """
        umask, nice, no_new_privileges and every limit are the program's, and not its
        neighbour's.
        """
        limits = {
            "memory_bytes": 1 << 40,
            "processes": 5_000,
            "open_files": 99,
            "file_bytes": 1 << 30,
            "core_bytes": 1 << 20,
            "cpu_seconds": 999,
        }
        _, remote = await self.configured(
            once(
                "bound",
                umask="027",
                nice=3,
                no_new_privileges="true",
                **{f"limit_{name}": str(value) for name, value in limits.items()},
            ),
            once("free"),
            once("grown", "/bin/sh -c 'head -c 5000 /dev/zero > x'", limit_file_bytes=4096),
        )
        free, bound = await self.told(remote, "free"), await self.told(remote, "bound")
        self.assertEqual((bound["umask"], bound["no_new_privileges"]), (0o027, 1))
        self.assertEqual((free["umask"], free["no_new_privileges"]), (0o022, 0))
        self.assertEqual(bound["nice"], free["nice"] + 3)
        names = ("AS", "NPROC", "NOFILE", "FSIZE", "CORE", "CPU")
        wanted = {
            name: [value, value] for name, value in zip(names, limits.values(), strict=True)
        }
        self.assertEqual(bound["limits"], wanted)
        for name, value in wanted.items():
            self.assertNotEqual(free["limits"][name], value)
        await remote.state("default.grown.0", "failed")
        self.assertEqual((self.folder / "x").stat().st_size, 4096)

    async def test_labels(self) -> None:
        """
        Labels are in the document, values with quotes too.
        """
        _, remote = await self.configured(section("a", labels="team=web, note='a, b' x=1"))
        document = await remote.get("/process-status/default.a.0")
        self.assertEqual(document["labels"], {"team": "web", "note": "a, b", "x": "1"})
