"""
The one cattrs converter: from what JSON gave to frozen values, with every wrong
field named at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from enum import StrEnum
from typing import Annotated, Any, TypeVar, get_origin

from attrs import fields_dict, has
from cattrs import ClassValidationError, Converter, ForbiddenExtraKeysError
from cattrs.dispatch import StructureHook
from cattrs.gen import make_dict_structure_fn

from smartmob.checks import Wrong
from smartmob.refusals import Refusal

T = TypeVar("T")

UNKNOWN_SHOWN = 100
"""Unknown keys that are named in one answer; of what follows, the number."""

_NAME_SHOWN = 100


class InvalidDocument(Refusal):
    """
    A document has wrong, missing or unknown fields.

    @ivar errors: Pairs of a field's name and a sentence about it.
    """

    code = "invalid-document"

    def __init__(self, errors: tuple[tuple[str, str], ...]) -> None:
        names = ", ".join(dict.fromkeys(field or "the document" for field, _ in errors[:5]))
        super().__init__(f"wrong: {names}{', ...' if len(errors) > 5 else ''}")
        self.errors = errors


def structure(document: object, wanted: type[T]) -> T:
    """
    The C{wanted} value that a document describes.

    @param document: As L{json.loads} gave it.
    @raise InvalidDocument: With all that is wrong.
    """
    try:
        return _converter.structure(document, wanted)
    except (ClassValidationError, Wrong) as error:
        errors = tuple((shown(name), message) for name, message in _errors(error))
        _let_go(error)
        raise InvalidDocument(errors) from None


def _let_go(error: BaseException) -> None:
    """
    Forget where errors were raised.  Who collects them is among that, and has them: they would
    stay, and the whole document with them, until somebody looks for such circles.
    """
    error.__traceback__ = None
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            _let_go(each)


def _errors(error: BaseException) -> Iterator[tuple[str, str]]:
    match error:
        case Wrong():
            yield from error.errors
        case ClassValidationError():
            noted, others = error.group_exceptions()
            for one, note in noted:
                for name, message in _errors(one):
                    yield f"{note.name}.{name}" if name else note.name, message
            for other in others:
                yield from _errors(other)
        case ForbiddenExtraKeysError():
            yield from _unknown(error.cl, sorted(error.extra_fields))
        case KeyError():
            yield "", "is missing"
        case _:
            raise error


def _unknown(cl: type, names: list[str]) -> Iterator[tuple[str, str]]:
    known = list(fields_dict(cl))
    for name in names[:UNKNOWN_SHOWN]:
        near = get_close_matches(name[:_NAME_SHOWN], known, n=1)
        if near:
            yield name, f"is not known; did you mean {near[0]}?"
        else:
            yield name, "is not known"
    if len(names) > UNKNOWN_SHOWN:
        yield "", f"{len(names) - UNKNOWN_SHOWN} more keys are not known"


def shown(name: str) -> str:
    """
    A field's name as it can be told: encodable, and not of any length.
    """
    if len(name) > _NAME_SHOWN:
        name = name[:_NAME_SHOWN] + "..."
    return name.encode("utf-8", "replace").decode()


def _is_checked(wanted: Any) -> bool:
    return get_origin(wanted) is Annotated and callable(wanted.__metadata__[0])


def _checked(wanted: Any) -> StructureHook:
    check = wanted.__metadata__[0]
    return lambda value, _: check(value)


def _word(value: object, wanted: Any) -> StrEnum:
    if isinstance(value, str) and value in list(wanted):
        word: StrEnum = wanted(value)
        return word
    raise Wrong(("", f"must be one of {', '.join(wanted)}"))


def _object(wanted: Any, converter: Converter) -> StructureHook:
    members = make_dict_structure_fn(
        wanted, converter, _cattrs_forbid_extra_keys=True, _cattrs_detailed_validation=True
    )

    def hook(value: object, cl: Any) -> object:
        if not isinstance(value, Mapping):
            raise Wrong(("", "must be an object"))
        return members(value, cl)

    return hook


def _make_converter() -> Converter:
    converter = Converter(detailed_validation=True, forbid_extra_keys=True)
    converter.register_structure_hook_factory(has, _object)
    converter.register_structure_hook(StrEnum, _word)
    converter.register_structure_hook_factory(_is_checked, _checked)
    return converter


_converter = _make_converter()
