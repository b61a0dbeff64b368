"""
Templates as gafferd's clients send them, and as they are shown to them.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, TypeVar

from attrs import asdict, field, frozen

from smartmob import checks
from smartmob.checks import Wrong
from smartmob.config import values
from smartmob.config.identity import Accounts
from smartmob.converter import InvalidDocument, structure
from smartmob.documents import Definition, Flapping, Limits, Output, Restart
from smartmob.templates import GRACE, STREAMS, Configured, Identity, Template
from smartmob.web.gaffer.names import Name, parse
from smartmob.web.gaffer.registry import Entry

V = TypeVar("V")

KEPT = None
"""Stands for the value of a variable, which is never shown; sent back, it stays."""

_FLAPPING = {"attempts": 2, "window": 1.0, "retry_in": 7.0, "max_retry": 5}
"""What gafferd takes for members that are not given."""


@frozen(kw_only=True)
class Made(Template):
    """
    A template that a client has made.

    @ivar redirected: The labels whose output clients of gafferd's interface may have.
    """

    redirected: tuple[str, ...]


def redirected(template: Template | None, definition: Definition) -> tuple[str, ...]:
    """
    The labels of the output of a process of a template, that of descriptor 1 first, as
    far as clients may have them.
    """
    if isinstance(template, Made):
        return template.redirected
    streams = definition.streams if isinstance(definition, Configured) else STREAMS
    return tuple(dict.fromkeys(label for label in streams if label is not None))


def _command(value: object) -> str:
    text = checks.text(value)
    if not text.strip():
        raise values.wrong("must not be empty")
    return values.argument(text)


def _arguments(value: object) -> str:
    if isinstance(value, str):
        return values.argument(checks.text(value))
    if not isinstance(value, list):
        raise values.wrong("must be a list of strings, or a string")
    return values.argument(shlex.join(checks.text(each) for each in value))


def _env(value: object) -> Mapping[str, str | None]:
    if not isinstance(value, dict):
        raise values.wrong("must be an object with strings as its values")
    kept = [name for name, one in value.items() if one is KEPT]
    given = checks.env({name: "" if one is KEPT else one for name, one in value.items()})
    return {**given, **dict.fromkeys(kept, KEPT)}


def _account(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return str(value)
    text = checks.text(value)
    if not text:
        raise values.wrong("must be a name or a number")
    return text


def _labels_of_output(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        value = list(values.listed(value))
    if not isinstance(value, list) or not all(
        isinstance(one, str) and values.listed(one) == (one,) for one in value
    ):
        raise values.wrong("must be a list of labels")
    return tuple(value)


def _flapping(value: object) -> Flapping:
    if isinstance(value, str):
        value = values.flapping(value)
    elif isinstance(value, list):
        value = dict(zip(_FLAPPING, value, strict=False)) if len(value) == 4 else value
    if not isinstance(value, Mapping):
        raise values.wrong("must be an object of attempts, window, retry_in, max_retry")
    try:
        return structure({**_FLAPPING, **value}, Flapping)
    except InvalidDocument as error:
        raise Wrong(*error.errors) from None


def _nothing(value: object) -> None:
    if value:
        raise values.wrong("is not supported: programs get descriptors 0, 1 and 2 only")


_Ignored = Annotated[None, _nothing]


@frozen(kw_only=True)
class _Sent:
    """
    The members that a template may be sent with; besides those of gafferd, all that a
    section of the configuration file may have.
    """

    cmd: Annotated[str, _command]
    args: Annotated[str, _arguments] = ""
    env: Annotated[Mapping[str, str | None], _env] = field(factory=dict, repr=False)
    uid: Annotated[str, _account] | None = None
    gid: Annotated[str, _account] | None = None
    cwd: Annotated[str, checks.text] = "."
    detach: Annotated[bool, checks.boolean] = False
    shell: Annotated[bool, checks.boolean] = False
    os_env: Annotated[bool, checks.boolean] = True
    numprocesses: Annotated[int, checks.integer(0, checks.MOST_PROCESSES)] = 1
    start: Annotated[bool, checks.boolean] = True
    redirect_output: Annotated[tuple[str, ...], _labels_of_output] = ()
    redirect_input: Annotated[bool, checks.boolean] = False
    graceful_timeout: Annotated[float, checks.seconds(3600)] = GRACE
    flapping: Annotated[Flapping, _flapping] | None = None
    priority: Annotated[int, checks.integer(-(2**31), 2**31 - 1)] | None = None
    stop_signal: Annotated[int, checks.signal_number] = 15
    restart: Restart = Restart.ALWAYS
    output: Output = Output.DROP
    umask: Annotated[int, checks.umask] = 0o022
    nice: Annotated[int, checks.integer(-20, 19)] = 0
    no_new_privileges: Annotated[bool, checks.boolean] = False
    limits: Limits = field(factory=Limits)
    labels: Annotated[Mapping[str, str], checks.labels] = field(factory=dict)
    custom_streams: _Ignored = None
    custom_channels: _Ignored = None


@frozen(eq=False, repr=False)
class Definitions:
    """
    Makes templates of documents.

    @ivar folder: Where relative folders, and programs without one, are.
    @ivar accounts: Who there is to run as.
    """

    folder: str
    accounts: Accounts = field(factory=Accounts)

    def named(self, document: Mapping[str, object]) -> Name:
        """
        What a new template is to be called.

        @raise InvalidDocument: It says no name, or none that can be.
        """
        if "name" not in document:
            raise InvalidDocument((("name", "is missing"),))
        try:
            return parse(document["name"])
        except Wrong as wrong:
            raise InvalidDocument((("name", wrong.errors[0][1]),)) from None

    def template(
        self, name: Name, document: Mapping[str, object], before: Template | None = None
    ) -> Made:
        """
        What a client has sent.

        @param before: What it is to take the place of.
        @raise InvalidDocument: With all that is wrong.
        """
        said = {
            key: value
            for key, value in document.items()
            # As its documentation has it, an empty uid is none; nulls are what clients
            # make of what they do not know.
            if value is not None and not (value == "" and key != "cmd")
        }
        for key in ("name", "group"):
            said.pop(key, None)
        sent = structure(said, _Sent)
        errors: list[tuple[str, str]] = []
        streams = _checked(errors, "redirect_output", partial(_streams, sent.redirect_output))
        identity = self._identity(sent, errors)
        if not sent.shell:
            _checked(errors, "cmd", partial(values.command, sent.cmd))
            _checked(errors, "args", partial(values.words, sent.args))
        if errors:
            raise InvalidDocument(tuple(errors))
        return Made(
            model=Configured(
                app=name.app,
                node=f"{name.process_type}.0",
                process_type=name.process_type,
                cmd=sent.cmd,
                args=sent.args,
                cwd=os.path.normpath(os.path.join(self.folder, sent.cwd)),
                env=_env_of(sent, before),
                identity=identity,
                detach=sent.detach,
                shell=sent.shell,
                os_env=sent.os_env,
                streams=streams or STREAMS,
                priority=sent.priority,
                graceful_timeout=sent.graceful_timeout,
                flapping=sent.flapping,
                redirect_input=sent.redirect_input,
                stop_signal=sent.stop_signal,
                restart=sent.restart,
                output=sent.output,
                umask=sent.umask,
                nice=sent.nice,
                no_new_privileges=sent.no_new_privileges,
                limits=sent.limits,
                labels=sent.labels,
            ),
            numprocesses=sent.numprocesses,
            start=sent.start,
            redirected=tuple(dict.fromkeys(sent.redirect_output)),
        )

    def _identity(self, sent: _Sent, errors: list[tuple[str, str]]) -> Identity | None:
        gid = None
        if sent.gid is not None:
            gid = _checked(errors, "gid", partial(self.accounts.group, sent.gid))
            if gid is None:
                return None
        if sent.uid is not None:
            return _checked(errors, "uid", partial(self.accounts.with_user, sent.uid, gid))
        if gid is not None:
            return _checked(errors, "gid", partial(self.accounts.with_group, gid))
        return None


def show(entry: Entry) -> dict[str, object]:
    """
    The document of a template.  What came of it can be sent back.
    """
    model = entry.model
    document: dict[str, object] = {"name": str(entry.name)}
    if entry.name.group is not None:
        document["group"] = entry.name.group
    if isinstance(model, Configured):
        document |= _own(model)
    else:
        document |= {"cmd": None, "args": []}  # a Procfile has it
    document |= {
        "env": dict.fromkeys(model.env, KEPT),
        "numprocesses": len(entry.processes),
        "redirect_output": list(redirected(entry.template, model)),
        "redirect_input": model.redirect_input,
        "graceful_timeout": model.graceful_timeout,
        "flapping": None if model.flapping is None else asdict(model.flapping),
        "stop_signal": model.stop_signal,
        "restart": model.restart.value,
        "output": model.output.value,
        "umask": f"{model.umask:03o}",
        "nice": model.nice,
        "no_new_privileges": model.no_new_privileges,
        "limits": asdict(model.limits, filter=lambda _, value: value is not None),
        "labels": dict(model.labels),
    }
    if entry.template is not None:
        document["start"] = entry.template.start
    return document


def _own(model: Configured) -> dict[str, object]:
    who = model.identity
    return {
        "cmd": model.cmd,
        # What is for a shell would be another text if it were split and joined.
        "args": model.args if model.shell else shlex.split(model.args),
        "uid": None if who is None else who.uid,
        "gid": None if who is None else who.gid,
        "cwd": model.cwd,
        "detach": model.detach,
        "shell": model.shell,
        "os_env": model.os_env,
        "priority": model.priority,
    }


def _streams(labels: tuple[str, ...]) -> tuple[str, str | None]:
    return values.streams(",".join(labels)) if labels else STREAMS


def _env_of(sent: _Sent, before: Template | None) -> dict[str, str]:
    old = {} if before is None else before.model.env
    env = {name: old.get(name) if value is KEPT else value for name, value in sent.env.items()}
    return {name: value for name, value in env.items() if value is not None}


def _checked(errors: list[tuple[str, str]], key: str, check: Callable[[], V]) -> V | None:
    """
    What a check gives; C{None}, where something is wrong, which is noted.
    """
    try:
        return check()
    except Wrong as wrong:
        errors += [(key, why) for _, why in wrong.errors]
    return None
