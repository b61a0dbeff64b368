"""
What a configuration file says of the agent itself, applied, and changed while it runs.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

from tests.support.applications import archive
from tests.support.configured_agent import ConfiguredTestCase
from tests.support.remote import Answer, Remote
from tests.support.users import another_user

TELL = """
id -u; id -g; id -G
echo "$HOME,$USER,$LOGNAME,$SECRET_KEY,$PORT"
ulimit -n
pwd
echo mine > made
[ -e closed ] || { mkdir -p closed/inner; chmod 0 closed; }
ls -ln made
"""

TOO_MANY = "too-many-processes"


class SettingsTests(ConfiguredTestCase):
    """
    The section about the agent.
    """

    def say(self, **keys: object) -> None:
        """
        Have the file say this.
        """
        lines = "".join(f"{key} = {value}\n" for key, value in keys.items())
        self.file.write_text(
            f"[smartmob]\nhttp_endpoints = a\n{lines}[endpoint:a]\nbind = 127.0.0.1:0\n"
        )

    async def agent(self, **keys: object) -> Remote:
        """
        Start an agent with a file that says this.
        """
        self.say(**keys)
        self.process = self.spawn_agent(
            "-c", str(self.file), bind=(), env={"SECRET_KEY": "secret", "USER": "agent"}
        )
        [url] = await self.process.listens()
        return self.remote(url)

    async def told(self, remote: Remote, node: str, script: str = TELL) -> list[str]:
        """
        What a program says that is created now.
        """
        files = {"Procfile": "web: /bin/sh ./tell\n", "tell": script + f"# {node}\n"}
        url = self.origin.serve(f"/{node}", archive(files))
        await remote.create(url, node, restart="never")
        document = await remote.state(f"app.{node}", "stopped", "failed")
        self.assertEqual(document["state"], "stopped", document["reason"])
        answer = await remote.ask("GET", f"/process-logs/app.{node}")
        return answer.body.decode().splitlines()

    async def test_created(self) -> None:
        """Variables, ports and limits of created processes, also after a reload."""
        remote = await self.agent(
            env_remove="SECRET_*", port_range="21000-21000", open_files=77
        )
        said = await self.told(remote, "web.0", TELL)
        self.assertTrue(said[3].endswith(",,21000"), said)
        self.assertEqual(said[4], "77")
        answer = await self.create(remote, "web.1", "http://127.0.0.1:1/")
        self.assertEqual(answer.document["code"], "no-port")
        self.say(port_range="21001-21001")
        await remote.post("/reload")
        said = await self.told(remote, "web.1", TELL)
        self.assertTrue(said[3].endswith(",secret,21001"), said)
        self.assertNotEqual(said[4], "77")
        first = await remote.get("/process-status/app.web.0")
        self.assertEqual(first["port"], 21000)

    async def create(self, remote: Remote, node: str, url: str) -> Answer:
        """
        Ask for a process.
        """
        request = {"app": "app", "node": node, "process_type": "web", "source_url": url}
        return await remote.ask("POST", "/create-process", json.dumps(request).encode())

    async def test_sources(self) -> None:
        """Where sources may come from, also after a reload."""
        inside = self.origin.serve("/pub/a", b"no archive")
        outside = self.origin.serve("/a", b"no archive")
        redirects = self.origin.script("/pub/b", lambda exchange: exchange.redirect("../a"))
        archives = "smartmob-archive:" + "0" * 64
        remote = await self.agent(allowed_sources=inside.removesuffix("a"))
        for url in (outside, f"{inside}/../../a", f"{inside}/%2e%2e/%2e%2e/a", archives):
            answer = await self.create(remote, "web.0", url)
            self.assertEqual(answer.status, 403)
            self.assertEqual(answer.document["code"], "source-not-allowed")
        await self.create(remote, "web.0", inside)
        document = await remote.state("app.web.0", "failed")
        self.assertIn("not an archive", document["reason"])
        await self.create(remote, "web.1", redirects)
        document = await remote.state("app.web.1", "failed")
        self.assertIn("allowed_sources", document["reason"])
        self.say(private_sources="no")
        await remote.post("/reload")
        await remote.post("/start-process/app.web.0")
        document = await remote.state("app.web.0", "failed")
        self.assertIn("which is loopback", document["reason"])

    async def test_web(self) -> None:
        """Names, pages and proxies, also after a reload, which keeps connections."""
        remote = await self.agent()
        page = {"Origin": "https://pages.example", "Sec-Fetch-Site": "cross-site"}
        named = {"Host": "shop.example"}
        proxied = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "127.0.0.2"}
        for headers in (page, named):
            self.assertEqual((await remote.ask("GET", "/", headers=headers)).status, 403)
        index = (await remote.ask("GET", "/", headers=proxied)).document
        self.assertTrue(index["list"].startswith(remote.base), index)
        events = await remote.events()
        self.say(
            cors_origins="https://pages.example",
            allowed_hosts="shop.example",
            trusted_proxies="127.0.0.1",
        )
        await remote.post("/reload")
        answer = await remote.ask("GET", "/", headers=page)
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.headers["access-control-allow-origin"], page["Origin"])
        self.assertEqual((await remote.ask("GET", "/", headers=named)).status, 200)
        index = (await remote.ask("GET", "/", headers=proxied)).document
        self.assertEqual(index["list"], "https://127.0.0.2/list-processes")
        self.say()
        await remote.post("/reload")
        for headers in (page, named):
            answer = await remote.ask("GET", "/", headers=headers)
            self.assertEqual(answer.status, 403)
            self.assertNotIn("access-control-allow-origin", answer.headers)
        self.assertTrue(events.let_in)

    async def test_mostProcesses(self) -> None:
        """How many processes there may be, also after a reload, which ends none."""
        remote = await self.agent(max_processes=1)
        url = self.origin.serve("/a", archive({"Procfile": "web: sleep 1000\n"}))
        await remote.create(url, "web.0")
        for most in 2, 0:
            answer = await self.create(remote, "web.2", url)
            self.assertEqual((answer.status, answer.document["code"]), (429, TOO_MANY))
            answer = await remote.ask("POST", "/scale-app/app", b'{"web": "+1"}')
            self.assertEqual((answer.status, answer.document["code"]), (429, TOO_MANY))
            self.say(max_processes=most)
            await remote.post("/reload")
            if most:
                await remote.create(url, "web.1")
        for node in "web.0", "web.1":
            await remote.state(f"app.{node}", "running")
        # What is in the file counts.
        self.say(max_processes=1)
        self.file.write_text(f"{self.file.read_text()}[process:a]\ncmd = sleep 1000\n")
        answer = await remote.ask("POST", "/reload", b"{}")
        self.assertEqual(answer.status, 400)
        self.assertIn("takes 1 at most, and has 2", answer.document["detail"])
        await remote.post("/delete-app/app")
        await remote.post("/reload")
        answer = await self.create(remote, "web.0", url)
        self.assertEqual((answer.status, answer.document["code"]), (429, TOO_MANY))

    async def test_user(self) -> None:
        """A created program runs as the user, in a release of its own, until a reload."""
        who = another_user()
        self.folder.chmod(0o711)
        remote = await self.agent(uid="nobody")
        self.assertEqual(stat.S_IMODE(os.stat(self.state).st_mode), 0o700)
        said = await self.told(remote, "web.0")
        groups = {int(group) for group in said[2].split()}
        self.assertEqual(
            (int(said[0]), int(said[1]), groups), (who.uid, who.gid, set(who.groups))
        )
        self.assertTrue(said[3].startswith(f"{who.home},nobody,nobody,"), said)
        self.assertEqual(said[6].split()[2:4], [str(who.uid), str(who.gid)])
        self.assertEqual(stat.S_IMODE(os.stat(self.state).st_mode), 0o710)
        self.assertEqual(stat.S_IMODE(os.stat(Path(said[5]) / "closed").st_mode), 0)
        self.say()
        await remote.post("/reload")
        self.assertEqual((await self.told(remote, "web.1"))[0], "0")
        await remote.post("/restart-process/app.web.0")
        await remote.state("app.web.0", "stopped")
        answer = await remote.ask("GET", "/process-logs/app.web.0?tail=7")
        self.assertEqual(answer.body.decode().splitlines()[0], str(who.uid))
        for node in ("web.0", "web.1"):
            await remote.post(f"/delete-process/app.{node}")
        self.assertEqual(self.files(), [])
