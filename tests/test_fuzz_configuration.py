"""
Whatever stands in a configuration file, and in what it includes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from smartmob.checks import Wrong
from smartmob.config import endpoints, forwards, hooks, processes, settings
from smartmob.config.configuration import BadConfiguration, Configuration
from smartmob.config.findings import Findings
from smartmob.config.ini import Entry, Section
from smartmob.config.load import load
from tests.support.configuring import NOTHING, ConfigurationTestCase, accounts
from tests.support.fuzzing import tries

SECRET = "hush-hush"  # as a password in a URL

SECTIONS = (
    *("gaffer", "smartmob", "webhooks", "endpoint:public", "endpoint:", "process:a", "env:a"),
    *("process:shop:web", "process:shop.web", "process:", "env:shop.web", "env:b", "proces:a"),
    *(
        "forward:a",
        "forward:b",
        "forward:",
        "DEFAULT",
        "other",
        "process:a.b.c",
        "endpoint:public:2",
    ),
)
KEYS = (
    *settings.KEYS,
    *endpoints.KEYS,
    *processes.KEYS,
    *hooks.KEYS,
    *forwards.KEYS,
    *("spawn", "proc.*.exit", ".", "a..b", "***", "proc.dummy.start", "nonsense"),
)
SAID = (
    *("1", "0", "-1", "true", "no", "public", "a, b", "2, 1., 7., 5", "1-2", "20000-29999"),
    *("./here", "/etc", "~", "~nobody/x", "~~", "ada", "root", "staff", "4294967295", "9" * 40),
    *(
        "127.0.0.1:0",
        "[::1]:80",
        "unix:/run/x:mode=660",
        "unix:x",
        "fd:3",
        "tcp:80",
        "systemd:",
    ),
    *(
        "https://example.org",
        "http://ada@example.org/x",
        "http://[",
        "smartmob-archive:",
    ),
    *("'", '"a b" c', "A=1, B='x y'", "A=1 A=2", "$NAME ${X} $$", "\\", "stdout", "a, a, b"),
    *("10.0.0.0/8, unix", "10.0.0.1/8", "*", "HUP", "always", "on-failure", "block", "027"),
    *(
        "attempts=2, window=1., retry_in=7., max_retry=5",
        "logs/{slug}.log",
        "{app}/{",
        "udp:h:1",
        "tcp:[::1]:24224",
        "1e3",
        "1_000",
        "\u0661",
        "nan",
        "inf",
    ),
)
words = st.sampled_from(SAID)
texts = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\n"), max_size=12
)
entries = st.dictionaries(
    st.sampled_from(KEYS) | texts, words | texts | st.lists(words).map(" ".join), max_size=5
)
hooks_said = st.dictionaries(
    st.sampled_from(["secret", "spawn", "proc.*.exit", "..", "none"]) | texts,
    st.lists(
        st.sampled_from(["http", "ftp", "//", "x", "[", "]:", ":99999", "\u00e4", "%", " "])
        | st.just(f"://ada:{SECRET}@h/"),
        max_size=5,
    ).map("".join),
    max_size=4,
)
files = st.builds(
    lambda file, told: {**file, "webhooks": told},
    st.dictionaries(st.sampled_from(SECTIONS) | texts, entries, max_size=4),
    hooks_said,
)


def written(file: Mapping[str, Mapping[str, str]]) -> str:
    """
    A file that says this, or something like it.
    """
    return "".join(
        f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in section.items())
        for name, section in file.items()
    )


class FileTests(ConfigurationTestCase):
    """
    L{smartmob.config.load}.
    """

    def attempt(self, path: Path) -> Configuration | None:
        """
        What a file is read as; C{None}, where it is not.
        """
        found = None
        try:
            found = load(os.fspath(path), NOTHING, accounts=accounts(), environ={})
        except BadConfiguration as error:
            self.assertTrue(error.mistakes)
            told = [*map(str, error.mistakes), *error.warnings]
        else:
            told = list(found.warnings)
        for each in told:
            self.assertTrue(each.isprintable(), each)
            self.assertNotIn(SECRET, each)
            self.assertLess(len(each), 2000)
        return found

    @tries(200)
    @given(files)
    @example({"webhooks": {"spawn": f"http://ada:{SECRET}@[/ http://b:{SECRET}@:99999/"}})
    @example({"process:a": {"cmd": "x", "env": "A='", "labels": "B=", "flapping": "=" * 500}})
    @example(
        {"smartmob": {"http_endpoints": "x" * 300}, "endpoint:public": {"bind": "a" * 300}}
    )
    def test_anything(self, file: Mapping[str, Mapping[str, str]]) -> None:
        """It is read, or all that is wrong with it is said, a line each, without a secret."""
        self.file.write_text(written(file))
        found = self.attempt(self.file)
        if found is not None:
            self.assertTrue(found.endpoints)
            self.assertLess(len(repr(found)), 1 << 20)

    @tries(60)
    @given(
        st.lists(
            st.lists(st.sampled_from(["0.ini", "1.ini", "2.ini", "more", "none"]), max_size=3),
            min_size=3,
            max_size=3,
        ),
        st.sampled_from(["include", "include_dir"]),
    )
    def test_includes(self, graph: list[list[str]], key: str) -> None:
        """However files include one another, each is read once, or what is wrong is said."""
        more = self.folder / "more"
        more.mkdir(exist_ok=True)
        (more / "x.ini").write_text("[smartmob]\ninclude = ../0.ini\n")
        for number, names in enumerate(graph):
            text = f"[smartmob]\n{key} = {', '.join(names)}\n[process:p{number}]\ncmd = x\n"
            (self.folder / f"{number}.ini").write_text(text)
        found = self.attempt(self.folder / "0.ini")
        if found is not None:
            names = [template.name for template in found.templates]
            self.assertEqual(len(names), len(set(names)))
            self.assertIn("default.p0", names)


class SectionTests(ConfigurationTestCase):
    """
    Sections alone.
    """

    @tries(200)
    @given(words | texts.filter(bool))
    def test_path(self, path: str) -> None:
        """A path in a file is absolute, or is in nobody's home."""
        entry = Entry(file="/srv/a.ini", line=1, section="s", key="k", value=path)
        try:
            found = entry.path(path)
        except Wrong as error:
            self.assertTrue(path.startswith("~"))
            self.assertTrue(error.errors)
        else:
            self.assertTrue(os.path.isabs(found))
            self.assertEqual(os.path.normpath(found), found)

    @tries(200)
    @given(st.dictionaries(st.sampled_from(["uid", "gid"]), words | texts.filter(bool)))
    def test_identity(self, said: dict[str, str]) -> None:
        """A user is one that there is, with its own group or the one that is named."""
        section = Section("/a.ini", 1, "smartmob")
        for key, value in said.items():
            entry = Entry(file="/a.ini", line=2, section="smartmob", key=key, value=value)
            section.entries[key] = entry
        findings = Findings(files=["/a.ini"])
        found = settings.settings(section, accounts(), findings).identity
        if findings.mistakes:
            self.assertIsNone(found)
        elif said:
            assert found is not None
            self.assertLess(max(found.uid, found.gid), 2**32 - 1)
            if said.get("gid", "").isdigit():
                self.assertEqual(found.gid, int(said["gid"]))
        else:
            self.assertIsNone(found)

    @tries(200)
    @given(
        texts
        | st.lists(st.sampled_from(["proc", "*", "**", "", "web", "exit", "a" * 600])).map(
            ".".join
        )
    )
    def test_topic(self, topic: str) -> None:
        """What no event is called is said, whatever was written for a topic."""
        findings = Findings(files=["/a.ini"])
        section = Section("/a.ini", 1, "webhooks")
        url = f"http://ada:{SECRET}@example.org/"
        section.entries[topic] = Entry(
            file="/a.ini", line=2, section="webhooks", key=topic, value=url
        )
        found = hooks.hooks(section, {}, findings)
        self.assertNotIn(SECRET, repr(found) + repr(findings.told()))
        if not findings.mistakes and topic not in hooks.KEYS:
            self.assertEqual([hook.topic for hook in found.hooks], [topic])
