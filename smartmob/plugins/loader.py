"""
What makes plugins of folders and of what pip installed: whatever goes wrong with one
of them is told, and harms nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from configparser import RawConfigParser
from types import ModuleType
from typing import TYPE_CHECKING

from attrs import field, frozen
from twisted.logger import Logger

from smartmob.plugins.calls import why
from smartmob.plugins.folders import PluginFolder
from smartmob.plugins.imports import Imports, importable_as_gaffer
from smartmob.plugins.life import Life, State
from smartmob.plugins.plugin import Plugin
from smartmob.plugins.trust import Refused

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

_log = Logger()


class NoPlugin(Exception):
    """
    There is Python, but no plugin in it.
    """


class NameTaken(Exception):
    """
    There is a plugin of that name already.
    """


@frozen(kw_only=True)
class Unusable:
    """
    What could not be loaded.

    @ivar source: As L{Life.source}.
    @ivar name: That of the folder, or the entry point.
    @ivar module: Which of its modules.
    @ivar error: C{TYPE: MESSAGE}.
    """

    source: str
    name: str
    folder: str | None
    module: str | None = None
    state: State = State.FAILED
    error: str


@frozen
class Loaded:
    """
    What came of one source.

    @ivar imports: The modules that go when it does.
    """

    lives: list[Life] = field(factory=list)
    unusable: list[Unusable] = field(factory=list)
    imports: Imports | None = None

    @property
    def stays(self) -> bool:
        """
        Whether a reload leaves it as it is: what could not be loaded, or none of which
        could be started, is tried anew.
        """
        return not all(life.never_was for life in self.lives)

    def forget(self) -> None:
        """
        It is gone, or never was.
        """
        if self.imports is not None:
            self.imports.forget()


def load_folder(
    folder: PluginFolder, parser: RawConfigParser, names: Collection[str]
) -> Loaded:
    """
    Load the plugins of a folder.

    @param names: Those that are taken.
    """
    modules = folder.modules()
    if not modules:
        return Loaded()
    origin = _Origin(folder.path, folder.name, folder.name)
    try:
        folder.check()
    except (Refused, OSError) as error:
        return Loaded(unusable=[_unusable(origin, error)])
    imports = Imports(folder)
    loaded = Loaded(imports=imports)
    taken = set(names)
    seen: set[type[Plugin]] = set()
    with importable_as_gaffer():
        for module in modules:
            try:
                for kind in _kinds(imports.load(module)):
                    if kind not in seen:
                        seen.add(kind)
                        loaded.lives.append(_life(kind, parser, origin, taken))
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                loaded.unusable.append(_unusable(origin, error, module))
    if not seen and not loaded.unusable:
        none = NoPlugin("no module names a class derived from smartmob.Plugin in __all__")
        loaded.unusable.append(_unusable(origin, none))
    if not loaded.lives:
        imports.forget()
    return loaded


def load_entry_point(
    entry: EntryPoint, parser: RawConfigParser, names: Collection[str]
) -> Loaded:
    """
    Load a plugin that pip installed.
    """
    origin = _Origin(source_of(entry), entry.name)
    try:
        with importable_as_gaffer():
            kind = entry.load()
            if not (isinstance(kind, type) and issubclass(kind, Plugin)):
                raise NoPlugin(f"{entry.value} is no class derived from smartmob.Plugin")
            return Loaded([_life(kind, parser, origin, set(names))])
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return Loaded(unusable=[_unusable(origin, error)])


def source_of(entry: EntryPoint) -> str:
    """
    What an entry point is called where folders are called by their paths.
    """
    return f"{entry.name}={entry.value}"


def shadowed(folder: PluginFolder, first: PluginFolder, names: Collection[str]) -> Loaded:
    """
    A folder whose name there was already.
    """
    taken = NameTaken(f"{first.path} was found first")
    return Loaded(unusable=[_unusable(_Origin(folder.path, folder.name, folder.name), taken)])


def _kinds(module: ModuleType) -> Iterator[type[Plugin]]:
    """
    The plugins that a module names.
    """
    names: Iterable[str] = getattr(module, "__all__", ())
    for name in names:
        kind = getattr(module, name)
        if isinstance(kind, type) and issubclass(kind, Plugin) and kind is not Plugin:
            yield kind


@frozen
class _Origin:
    """
    Where a plugin comes from, as L{Life} and L{Unusable} say it.
    """

    source: str
    name: str
    folder: str | None = None


def _life(
    kind: type[Plugin], parser: RawConfigParser, origin: _Origin, taken: set[str]
) -> Life:
    plugin = kind()
    name = str(plugin.name or origin.name)
    if name in taken:
        raise NameTaken(f"another plugin is called {name!r}")
    mandatory = plugin.mandatory
    life = Life(
        source=origin.source,
        name=name,
        version=str(plugin.version),
        description=str(plugin.description),
        mandatory=(mandatory,) if isinstance(mandatory, str) else tuple(map(str, mandatory)),
        folder=origin.folder,
        app=plugin.app(parser),
    )
    taken.add(name)
    return life


def _unusable(origin: _Origin, error: BaseException, module: str | None = None) -> Unusable:
    """
    Note it, and tell the log all of it.
    """
    said = why(error)
    if isinstance(error, (Refused, NameTaken, NoPlugin)):
        _log.error("plugin {plugin} is not loaded: {why}", plugin=origin.name, why=said)
    else:
        where = origin.name if module is None else f"{origin.name} ({module})"
        _log.failure("plugin {plugin} is not loaded: {why}", plugin=where, why=said)
    return Unusable(
        source=origin.source,
        name=origin.name,
        folder=origin.folder,
        module=module,
        state=State.REFUSED if isinstance(error, Refused) else State.FAILED,
        error=said,
    )
