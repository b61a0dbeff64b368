"""
What plugins there are at some time, and what is told of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import field, frozen

from smartmob.plugins.folders import PluginFolder, plugin_folder, plugin_folders
from smartmob.plugins.life import Life, State
from smartmob.plugins.loader import Loaded, Unusable
from smartmob.plugins.site import site_of


@frozen(eq=False, repr=False)
class Standing:
    """
    What came of the plugins that were found.

    @ivar folders: The plugins folders.
    @ivar sources: What came of each source, by its name.
    """

    folders: Sequence[str] = ()
    sources: Mapping[str, Loaded] = field(factory=dict)

    def lives(self) -> list[Life]:
        """
        All that were loaded.
        """
        return [life for loaded in self.sources.values() for life in loaded.lives]

    def unusable(self) -> list[Unusable]:
        """
        All that could not be.
        """
        return [each for loaded in self.sources.values() for each in loaded.unusable]

    def missing(self) -> list[str]:
        """
        Which plugins can't do without another that is not there, a sentence each.  A
        site is there, too, by the name of its folder.
        """
        lives = self.lives()
        errors = {each.name: each.error for each in self.unusable()}
        there = {life.name for life in lives} | {life.folder for life in lives}
        return [
            f"plugin {life.name!r} needs the plugin {name!r}, "
            + (
                f"which is not loaded ({errors[name]})"
                if name in errors
                else "which is missing"
            )
            for life in lives
            for name in life.mandatory
            if name not in there and (name in errors or not self._has_site(name))
        ]

    def report(self) -> list[dict[str, Any]]:
        """
        See L{Plugins.report<smartmob.plugins.plugins.Plugins.report>}.
        """
        documents = [self._loaded(life) for life in self.lives()]
        documents += [self._unusable(each) for each in self.unusable()]
        known = {document["folder"] for document in documents}
        for folder in plugin_folders(self.folders):
            if folder.name not in known:
                known.add(folder.name)
                documents.append(self._lying(folder))
        return documents

    def _loaded(self, life: Life) -> dict[str, Any]:
        return {
            **self._document(life.name, life.folder, life.source, life.state, life.error),
            "version": life.version,
            "description": life.description,
            "mandatory": list(life.mandatory),
        }

    def _unusable(self, each: Unusable) -> dict[str, Any]:
        document = self._document(each.name, each.folder, each.source, each.state, each.error)
        return {**document, "module": each.module}

    def _lying(self, folder: PluginFolder) -> dict[str, Any]:
        """
        Of a folder that nothing was loaded from.
        """
        error = None
        if folder.modules():
            error = "NotLoaded: it was added later; a reload loads it"
        elif site_of(folder) is None:
            error = "NoPlugin: there is neither Python nor a site in it"
        state = State.SITE if error is None else State.FAILED
        return self._document(folder.name, folder.name, folder.path, state, error)

    def _document(
        self, name: str, folder: str | None, source: str, state: State, error: str | None
    ) -> dict[str, Any]:
        """
        What there is to say of anything.
        """
        return {
            "name": name,
            "version": "",
            "description": "",
            "mandatory": [],
            "folder": folder,
            "module": None,
            "state": state.value,
            "error": error,
            "site": self._site(folder, source),
        }

    def _site(self, name: str | None, source: str) -> str | None:
        """
        The name of a folder's own site.
        """
        folder = None if name is None else plugin_folder(self.folders, name)
        if folder is None or folder.path != source or site_of(folder) is None:
            return None
        return name

    def _has_site(self, name: str) -> bool:
        folder = plugin_folder(self.folders, name)
        return folder is not None and site_of(folder) is not None
