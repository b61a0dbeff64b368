"""
Packaging of smartmob.

The layout is flat on purpose: C{smartmob/} beside C{twisted/plugins/}.  The
latter is a folder without C{__init__.py}, since one there would replace
Twisted's own in an installation; C{package_dir} is what makes an editable
install find the plugin all the same.

What is compiled, in the folders C{compiled/}, is a program and a plain library, no modules of
Python's: one wheel of them is for every Python on machines of a kind.  Where they can't be
compiled, the wheel goes without, and is for every machine.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from setuptools import Command, Distribution, find_packages, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build import build

HERE = Path(__file__).parent


def version() -> str:
    """
    The version, from the one place where it stands.
    """
    for line in (HERE / "smartmob" / "__init__.py").read_text().splitlines():
        if line.startswith("__version__"):
            return line.split('"')[1]
    raise SystemExit("smartmob/__init__.py has no __version__")


def units() -> list[str]:
    """
    The units for systemd.
    """
    folder = HERE / "smartmob" / "units"
    return sorted(str(path.relative_to(HERE)) for path in folder.glob("smartmob*.*"))


class NotBuilt(Exception):
    """
    There is nothing compiled, and why.
    """


class Smartmob(Distribution):  # type: ignore[misc] # setuptools has no types
    """
    @ivar compiled: There is something in it that is for machines of one kind.
    """

    compiled = False

    def has_ext_modules(self) -> bool:
        """
        Whether it belongs where libraries for this machine are.
        """
        return self.compiled or bool(super().has_ext_modules())


class Product:
    """
    What is compiled.

    @ivar path: Where it belongs, beside its sources.
    @ivar kinds: Words for the compiler; of those that work the first are taken.
    @ivar name: What it is, for a person.
    @ivar without: What it means to do without it.
    @ivar second: What it means where only others than the first of C{kinds} work.
    """

    def __init__(
        self, path: str, kinds: list[list[str]], name: str, without: str, second: str = ""
    ) -> None:
        self.path = Path(path)
        self.kinds = kinds
        self.name = name
        self.without = without
        self.second = second

    def sources(self, pattern: str = "*.c") -> list[str]:
        """
        What it is made of.
        """
        return sorted(str(self.path.parent / path.name) for path in self._folder.glob(pattern))

    @property
    def _folder(self) -> Path:
        return HERE / self.path.parent


PRODUCTS = (
    Product(
        "smartmob/launch/compiled/smartmob-guardian",
        # By itself it needs less memory, and any C library to run beside will do.
        [["-static", "-s"], ["-s"]],
        "guardian",
        "more memory for each program, and slower starts",
        "is not static, and needs more memory",
    ),
    Product(
        "smartmob/lines/compiled/frames.so",
        [["-shared", "-fPIC", "-s"]],
        "encoder of frames",
        "more time for each line",
    ),
)


class BuildCompiled(Command):  # type: ignore[misc] # setuptools has no types
    """
    Compiles each of the products, where that can be done.

    C{CC}, C{CPPFLAGS}, C{CFLAGS} and C{LDFLAGS} are obeyed.  With C{SMARTMOB_PURE} set
    there is to be none.

    @ivar editable_mode: It is for the checkout itself (an editable install).
    """

    description = "compile the guardian, and the encoder of frames"
    user_options = [  # noqa: RUF012 - the framework reads it as it is
        ("build-lib=", "b", "folder that the package is built in"),
        ("inplace", "i", "build it where its sources are"),
    ]
    boolean_options = ["inplace"]  # noqa: RUF012 - the framework reads it as it is

    def initialize_options(self) -> None:
        """
        Before anything was said.
        """
        self.build_lib: str | None = None
        self.inplace = False
        self.editable_mode = False

    def finalize_options(self) -> None:
        """
        What was not said is as for the whole build.
        """
        self.set_undefined_options("build", ("build_lib", "build_lib"))

    def target(self, product: Product) -> Path:
        """
        Where it will be.
        """
        assert self.build_lib is not None
        here = self.inplace or self.editable_mode
        return HERE / product.path if here else Path(self.build_lib, product.path)

    def run(self) -> None:
        """
        Compile them.  Where one can't be, that of an earlier build does not stay: it is another
        one's twin.
        """
        for product in PRODUCTS:
            try:
                self._build(product)
            except (NotBuilt, OSError) as why:
                self.target(product).unlink(missing_ok=True)
                self.warn(
                    f"no compiled {product.name}: {why}.  The one in Python does the same,"
                    f" with {product.without}."
                )
            else:
                self.distribution.compiled = True

    def _build(self, product: Product) -> None:
        if os.environ.get("SMARTMOB_PURE"):
            raise NotBuilt("SMARTMOB_PURE is set")
        sources = [str(HERE / path) for path in product.sources()]
        if not sources:
            raise NotBuilt(f"{product.path.parent} has no sources")
        names = shlex.split(os.environ.get("CC", "")) or [
            next(filter(shutil.which, ("cc", "gcc", "clang")), "cc")
        ]
        before, behind = _flags("CPPFLAGS", "CFLAGS"), _flags("LDFLAGS")
        target = self.target(product)
        target.parent.mkdir(parents=True, exist_ok=True)
        failed: list[str] = []
        # Beside it: the one that is there may run, and would be written into.
        with TemporaryDirectory(dir=target.parent) as folder:
            made = Path(folder, target.name)
            for kind in product.kinds:
                words = [*names, "-O2", *before, *kind, "-o", str(made), *sources, *behind]
                said = _said(words)
                if said is None:
                    break
                failed.append(said)
            else:
                raise NotBuilt(f"{names[0]}: {failed[-1]}")
            for why in failed:
                self.warn(f"the {product.name} {product.second}: {why}")
            made.chmod(0o755)
            made.replace(target)

    def get_source_files(self) -> list[str]:
        """
        What an archive of sources has to have.
        """
        return [path for product in PRODUCTS for path in product.sources("*.[ch]")]

    def get_outputs(self) -> list[str]:
        """
        What it makes.
        """
        return [str(self.target(product)) for product in self._made()]

    def get_output_mapping(self) -> dict[str, str]:
        """
        What of an editable install is where else.
        """
        if not self.editable_mode:
            return {}
        return {
            str(Path(str(self.build_lib), product.path)): str(self.target(product))
            for product in self._made()
        }

    def _made(self) -> list[Product]:
        return [product for product in PRODUCTS if self.target(product).exists()]


def _flags(*names: str) -> list[str]:
    return [word for name in names for word in shlex.split(os.environ.get(name, ""))]


def _said(words: list[str]) -> str | None:
    """
    What a compiler that failed said; C{None} where it did not fail.
    """
    try:
        done = subprocess.run(  # noqa: S603 - it was named by whoever builds
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    except OSError as error:
        return error.strerror
    return (done.stderr.strip() or f"exit code {done.returncode}") if done.returncode else None


class Build(build):  # type: ignore[misc] # setuptools has no types
    """
    The build of everything, what is compiled too.
    """

    sub_commands = [*build.sub_commands, ("build_compiled", None)]  # noqa: RUF012 - as it is


class Wheel(bdist_wheel):  # type: ignore[misc] # setuptools has no types
    """
    A wheel for every Python, and with what is compiled in it for machines of one kind.
    """

    def run(self) -> None:
        """
        Make it: of which kind is known once everything has been built.
        """
        if not self.skip_build:
            self.run_command("build")
        self.root_is_pure = not self.distribution.has_ext_modules()
        super().run()

    def get_tag(self) -> tuple[str, str, str]:
        """
        Whom it is for.
        """
        _, _, platform = super().get_tag()
        return self.python_tag, "none", platform


setup(
    distclass=Smartmob,
    cmdclass={"build": Build, "build_compiled": BuildCompiled, "bdist_wheel": Wheel},
    name="smartmob",
    version=version(),
    description="Send applications to a machine over the network and keep them running.",
    long_description=(HERE / "README.rst").read_text(),
    long_description_content_type="text/x-rst",
    license="MIT",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    package_dir={"": "."},
    packages=[
        *find_packages(include=["smartmob", "smartmob.*"]),
        "twisted.plugins",
    ],
    package_data={
        "smartmob": ["py.typed", "hello/*", "units/*.service", "units/*.socket", "web/*.html"]
    },
    data_files=[("share/smartmob/systemd", units())],
    include_package_data=False,
    zip_safe=False,
    install_requires=[
        "attrs>=23.2",
        "autobahn>=24.4",
        "automat>=24.8",
        "cattrs>=24.1",
        "cryptography>=42",
        "hyperlink>=21",
        "idna>=2.4",
        "klein>=24.8",
        "prometheus-client>=0.20",
        "psutil>=5.9",
        "pyopenssl>=24.3",
        "treq>=24.9",
        "twisted[tls]>=24.11",
        "zope.interface>=6",
    ],
    extras_require={
        "test": [
            "coverage[toml]",
            "docutils",
            "hypothesis",
            "jsonschema-rs>=0.40",
            "msgpack",
            "schemathesis>=4.30",
            "setuptools>=70.1",
        ],
        "check": ["mypy", "mypy-zope", "ruff", "types-docutils", "types-psutil"],
    },
    entry_points={
        "console_scripts": [
            "smartmob-agent = smartmob.main:main",
            "smartmob = smartmob.client.cli:main",
        ],
    },
    classifiers=[
        "Development Status :: 4 - Beta",
        "Framework :: Twisted",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: System :: Systems Administration",
        "Typing :: Typed",
    ],
)
