"""
What an agent that asks nobody who they are gives away.
"""

from __future__ import annotations

from collections.abc import Iterable


def local_users_may_act(
    *, uid: int, runs_as: Iterable[int], on_tcp: bool, tokens: bool
) -> str | None:
    """
    A warning for an operator whose machine has users that are not to be trusted: on TCP
    every program of it can come in, whoever runs it.  A unix socket has permissions.

    @param uid: The agent's user.
    @param runs_as: Users that programs are to run as, the agent's own perhaps among them.
    @param on_tcp: Some endpoint of TCP lets in who shows no certificate.
    @param tokens: Clients have to show one.
    @return: A sentence; C{None}: there is no reason for a warning.
    """
    others = sorted({other for other in runs_as if other != uid})
    if tokens or not on_tcp or (uid != 0 and not others):
        return None
    whom = "root" if uid == 0 else f"user {uid}"
    if uid != 0 and others:
        whom += " and as " + ", ".join(f"user {other}" for other in others)
    return (
        f"every local user can act as {whom}: the agent listens on TCP and asks nobody who "
        "they are; with --token-file it asks, and a unix socket is for its own user alone"
    )
