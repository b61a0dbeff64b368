"""
Packaging of smartmob.

The layout is flat on purpose: C{smartmob/} beside C{twisted/plugins/}.  The
latter is a folder without C{__init__.py}, since one there would replace
Twisted's own in an installation; C{package_dir} is what makes an editable
install find the plugin all the same.
"""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent


def version() -> str:
    """
    The version, from the one place where it stands.
    """
    for line in (HERE / "smartmob" / "__init__.py").read_text().splitlines():
        if line.startswith("__version__"):
            return line.split('"')[1]
    raise SystemExit("smartmob/__init__.py has no __version__")


setup(
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
    package_data={"smartmob": ["py.typed", "hello/*"]},
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
        "psutil>=5.9",
        "pyopenssl>=24.3",
        "treq>=24.9",
        "twisted[tls]>=24.11",
        "zope.interface>=6",
    ],
    extras_require={
        "test": ["coverage[toml]", "docutils", "hypothesis", "setuptools>=70.1"],
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
