"""
A real agent with a configuration file.
"""

from __future__ import annotations

import os
import signal
import sys
from textwrap import dedent
from typing import Any

from tests.support.agent_process import AgentProcess, AgentTestCase
from tests.support.remote import Remote

SLEEPER = f"{sys.executable} -S -c 'print(\"up\", flush=True); import signal; signal.pause()'"
"""A command that says a line, and stays."""


class ConfiguredTestCase(AgentTestCase):
    """
    Tests of agents that read a file.

    @ivar file: It.
    """

    def setUp(self) -> None:
        """
        There is no file yet.
        """
        super().setUp()
        self.file = self.folder / "gaffer.ini"

    def write(self, *sections: str) -> None:
        """
        Have the file say this; it listens on loopback, on any port.
        """
        endpoint = "[gaffer]\nhttp_endpoints = a\n[endpoint:a]\nbind = 127.0.0.1:0\n"
        self.file.write_text(endpoint + "\n".join(dedent(section) for section in sections))

    async def configured(self, *sections: str, **more: Any) -> tuple[AgentProcess, Remote]:
        """
        Write the file, and start an agent with it.
        """
        self.write(*sections)
        process = self.spawn_agent("-v", "-c", str(self.file), bind=(), **more)
        [url] = await process.listens()
        return process, self.remote(url)

    async def hang_up(self, agent: AgentProcess) -> None:
        """
        Have the file read again, and wait until that is done, or refused.
        """
        before = agent.err.count(b"reloaded: ")
        os.kill(agent.pid, signal.SIGHUP)
        await agent.hears(lambda: agent.err.count(b"reloaded: ") > before, "reloaded")


def section(name: str, command: str = SLEEPER, **keys: object) -> str:
    """
    A process of the file.
    """
    lines = "".join(f"{key} = {value}\n" for key, value in keys.items())
    return f"[process:{name}]\ncmd = {command}\n{lines}"
