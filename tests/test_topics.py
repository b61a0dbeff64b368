"""
Tests of L{smartmob.topics}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smartmob.topics import LONGEST, MOST, BadTopic, Topics, parse

SPAWN = ("spawn", "proc.shop.web.0.spawn", "proc.shop.web.spawn")


def slowly(glob: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    """
    What a glob means, straight from its definition.
    """
    if not glob:
        return not parts
    if glob[0] == "**":
        return any(slowly(glob[1:], parts[n:]) for n in range(len(parts) + 1))
    return bool(parts) and glob[0] in ("*", parts[0]) and slowly(glob[1:], parts[1:])


class TopicsTests(SynchronousTestCase):
    """
    What is wanted.
    """

    def test_wanted(self) -> None:
        """
        A name is wanted as it is; C{*} is one part, C{**} any number of them.
        """
        for topic in (
            "spawn",
            "proc.shop.web.0.spawn",
            "proc.shop.web.spawn",
            "proc.shop.*.spawn",
            "proc.*.*.*.spawn",
            "proc.**",
            "proc.shop.**.spawn",
            "**.spawn",
            "**.web.**",
            "proc.**.shop.web.0.spawn",
            ".",
            "*",
            "**",
        ):
            self.assertTrue(parse([topic]).want(SPAWN), topic)

    def test_notWanted(self) -> None:
        """
        What differs in one part, or in the number of parts, is another name.
        """
        for topic in (
            "exit",
            "proc",
            "proc.shop.spawn",
            "proc.*.spawn",
            "proc.*",
            "*.*",
            "proc.shop.web.1.spawn",
            "proc.**.exit",
            "shop.**",
            "SPAWN",
        ):
            self.assertFalse(parse([topic]).want(SPAWN), topic)

    def test_any(self) -> None:
        """
        Any of several is enough, and none of them is all.
        """
        self.assertTrue(parse(["exit", "spawn"]).want(SPAWN))
        self.assertTrue(parse(["exit", "proc.**"]).want(SPAWN))
        self.assertFalse(parse(["exit", "stop"]).want(SPAWN))
        self.assertTrue(parse([]).want(SPAWN))
        self.assertEqual(parse(["exit", "."]), Topics())

    def test_same(self) -> None:
        """
        What wants the same is the same, in whatever order it was said.
        """
        self.assertEqual(parse(["a", "b.*", "a"]), parse(["b.*", "a"]))

    def test_bad(self) -> None:
        """
        What can't be meant, and what is too much, is refused in a sentence.
        """
        for topic in ("", "a..b", ".a", "proc.web*", "***", "proc.*.x*y"):
            self.assertRaises(BadTopic, parse, [topic])
        self.assertRaises(BadTopic, parse, ["x" * (LONGEST + 1)])
        self.assertRaises(BadTopic, parse, ["x"] * (MOST + 1))
        parse(["x" * LONGEST] * MOST)

    @given(
        st.lists(st.sampled_from(["a", "b", "*", "**"]), min_size=2, max_size=7),
        st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=7),
    )
    def test_meaning(self, glob: list[str], parts: list[str]) -> None:
        """
        A glob fits what its definition says.
        """
        wanted = parse([".".join(glob)])
        self.assertEqual(wanted.want([".".join(parts)]), slowly(tuple(glob), tuple(parts)))

    def test_hard(self) -> None:
        """
        The hardest glob that may be asked for takes no long time.
        """
        glob = ".".join(["**", "a"] * (LONGEST // 5))
        self.assertFalse(parse([glob]).want([".".join(["a"] * 99 + ["b"])]))
