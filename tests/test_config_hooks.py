"""
Tests of L{smartmob.config.hooks}.
"""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from smartmob.config.configuration import Hook, Hooks
from smartmob.config.hooks import never
from tests.support.configuring import ConfigurationTestCase

#: Topics that some event has a name for.
FITTING = """
create start spawn stop_pid exit reap flap fail stop update delete . * **
proc.dummy.spawn proc.blog.web.spawn proc.blog.web.0.exit proc.*.exit proc.dummy.*
proc.dummy.** proc.** **.exit *.dummy.exit proc.**.* **.** *.**
"""

#: Topics that none has, and what is said.
NEVER = {
    "creat": "no event is called so; did you mean create?",
    "Create": "no event is called so; did you mean create?",
    "zzz": "no event is called so",
    "proc.dummy.spwan": "no event is called so; did you mean proc.dummy.spawn?",
    "prc.dummy.spawn": "no event is called so; did you mean proc.dummy.spawn?",
    "proc.dummy": "no event is called so; did you mean proc.dummy.*?",
    "proc.exit": "no event is called so; did you mean proc.*.exit?",
    "dummy.spawn": "no event is called so; did you mean proc.dummy.spawn?",
    "proc.*": "no event is called so; did you mean proc.*.*?",
    "*.*": "no event is called so; did you mean proc.*.*?",
    "**.zzz": "no event is called so; did you mean proc.zzz.*?",
}

#: What is no URL that can be posted to, and what is said.
BAD_URLS = {
    "ftp://h/": "is of scheme ftp; only http and https are read",
    **dict.fromkeys(("h/p", "//h/p", "http"), "has no scheme; only http and https are read"),
    **dict.fromkeys(("http://", "http:///p", "http:/h", "http://@"), "has no valid host"),
    **dict.fromkeys(("http://a,b/", "https://h!/"), "has no valid host"),
    **dict.fromkeys(("http://h:x/", "http://h:70000/", "http://h:0/"), "has no valid port"),
    "http://[::1/": "is not a valid URL",
    "http://\x7f/": "has white space or control characters in it",
    "https://my_host/": "has a host that no certificate can be for",
}


class TopicTests(SynchronousTestCase):
    """
    Tests of L{never}.
    """

    def test_fitting(self) -> None:
        """
        Nothing is said of a topic that can be the name of an event.
        """
        for topic in FITTING.split():
            self.assertEqual(never(topic), "", topic)

    def test_never(self) -> None:
        """
        Of any other it is said what may have been meant.
        """
        for topic, why in NEVER.items():
            self.assertEqual(never(topic), why, topic)


class HookTests(ConfigurationTestCase):
    """
    Tests of C{[webhooks]}.
    """

    def hooks(self, lines: str) -> Hooks:
        """
        What these lines say.
        """
        return self.load(f"[webhooks]\n{lines}\n").hooks

    def test_urls(self) -> None:
        """
        A topic has one URL or several, with white space in between.
        """
        self.assertEqual(
            self.hooks(
                "create = http://a/b?c#d\nproc.dummy.spawn = https://u:p@h:1/  http://[::1]\n"
                "  HTTP://x\n** : http://a/b?c#d\n"
            ).hooks,
            (
                Hook(topic="create", url="http://a/b?c#d"),
                Hook(topic="proc.dummy.spawn", url="https://u:p@h:1/"),
                Hook(topic="proc.dummy.spawn", url="http://[::1]"),
                Hook(topic="proc.dummy.spawn", url="HTTP://x"),
                Hook(topic="**", url="http://a/b?c#d"),
            ),
        )

    def test_twice(self) -> None:
        """
        The same URL twice for a topic is one.
        """
        self.assertEqual(len(self.hooks("create = http://a http://b http://a").hooks), 2)

    def test_none(self) -> None:
        """
        A topic without a URL is not there, and the section need not be.
        """
        self.assertEqual(self.hooks("create ="), Hooks())
        self.assertEqual(self.load("").hooks, Hooks())

    def test_case(self) -> None:
        """
        Topics keep their case.
        """
        [hook] = self.hooks("proc.Dummy.exit = http://a").hooks
        self.assertEqual(hook.topic, "proc.Dummy.exit")

    def test_badUrls(self) -> None:
        """
        What is no URL of http or https is wrong, and not repeated.
        """
        for url, why in BAD_URLS.items():
            with self.subTest(url=url):
                self.assertEqual(
                    self.wrong(f"create = {url}", "webhooks"), [f"create: it {why}"]
                )
        self.assertEqual(
            self.wrong("create = http://a http://u:p@\n", "webhooks"),
            ["create: URL 2 of 2 has no valid host"],
        )
        self.assertEqual(
            self.wrong(f"create = http://a/{'b' * 8192}\n", "webhooks"),
            ["create: it must not have more than 8192 characters"],
        )

    def test_badTopics(self) -> None:
        """
        What can't be a topic is wrong.
        """
        for topic, why in {
            "proc..exit": "'proc..exit' has a part with nothing in it",
            "proc.d*.exit": "'proc.d*.exit': a * stands for a whole part, between dots",
        }.items():
            self.assertEqual(self.wrong(f"{topic} = http://a", "webhooks"), [f"{topic}: {why}"])

    def test_neverTopics(self) -> None:
        """
        A topic that no event has is a warning.
        """
        self.assertEqual(
            self.warnings("[webhooks]\ncreat = http://u:p@a\ncreate = http://a\n"),
            ["agent.ini:2: [webhooks] creat: no event is called so; did you mean create?"],
        )

    def test_secret(self) -> None:
        """
        A secret stands in the file.
        """
        self.assertEqual(
            self.hooks("secret = s3%é\ncreate = http://a"),
            Hooks(hooks=(Hook(topic="create", url="http://a"),), secret="s3%é".encode()),
        )

    def test_secretFile(self) -> None:
        """
        Or in one of its own, beside it, without the white space around it.
        """
        self.write("secret", "\n s3cret \n", 0o600)
        self.assertEqual(self.hooks("secret_file = secret").secret, b"s3cret")

    def test_badSecretFile(self) -> None:
        """
        Which nobody else may read, and which has to have something in it.
        """
        path = self.write("secret", "geheim", 0o640)
        said = "can be read by others: chmod 600 would do"
        for mode in (0o640, 0o604, 0o644):
            path.chmod(mode)
            self.assertEqual(
                self.wrong("secret_file = secret", "webhooks"),
                [f"secret_file: secret {said}"],
            )
        self.write("empty", " \n", 0o600)
        self.write("large", "x" * 70_000, 0o600)
        (self.folder / "folder").mkdir()
        os.mkfifo(self.folder / "pipe")
        for name, why in {
            "empty": "is empty",
            "large": "has more than 64 KiB",
            "folder": "is no plain file",
            "pipe": "is no plain file",
            "missing": "can't be read: No such file or directory",
        }.items():
            self.assertEqual(
                self.wrong(f"secret_file = {name}", "webhooks"),
                [f"secret_file: {name} {why}"],
            )

    def test_both(self) -> None:
        """
        There is one secret.
        """
        self.write("secret", "geheim", 0o600)
        self.assertEqual(
            self.mistakes("[webhooks]\nsecret = x\nsecret_file = secret\n"),
            ["agent.ini:3: [webhooks] secret_file: can't be beside secret"],
        )

    def test_credential(self) -> None:
        """
        What the service manager handed down may be readable: its folder is not.
        """
        path = self.write("credentials/hook", "geheim", 0o440)
        self.environ["CREDENTIALS_DIRECTORY"] = os.fspath(path.parent)
        self.assertEqual(self.hooks(f"secret_file = {path}").secret, b"geheim")
        self.environ["CREDENTIALS_DIRECTORY"] = os.fspath(self.folder / "cred")
        self.assertEqual(len(self.mistakes(f"[webhooks]\nsecret_file = {path}\n")), 1)

    def test_notTold(self) -> None:
        """
        Neither passwords nor secrets are in what is wrong or odd, nor in what is logged.
        """
        text = "[webhooks]\ncreat = http://u:geheim@h {}\nsecret = geheim\n"
        for said in (
            *self.warnings(text.format("")),
            *self.mistakes(text.format("u:geheim@h")),
            repr(self.load(text.format(""))),
        ):
            self.assertNotIn("geheim", said)
