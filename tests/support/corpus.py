"""
Archives that are unpacked, and archives that are refused.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zipfile
from collections.abc import Callable

from tests.support.archives import (
    APP,
    PROCFILE,
    Entry,
    beyond_path_max,
    encrypted_zip,
    file,
    flipped,
    folder,
    gzip_of,
    hard_link,
    header,
    many_pax_headers,
    old_tar,
    overlapping_zip,
    sparse,
    symlink,
    tar,
    tgz,
    twice_zipped,
    zipped,
)
from tests.support.forged import xz_dictionary

#: Archives that are unpacked, and what comes of them.
GOOD: dict[str, Callable[[], bytes]] = {
    "plain.tar": lambda: tar(APP),
    "gz": lambda: tgz(APP),
    "bz2": lambda: bz2.compress(tar(APP)),
    "xz": lambda: lzma.compress(tar(APP)),
    "two-gz-members": lambda: gzip.compress(tar(APP)[:512]) + gzip.compress(tar(APP)[512:]),
    "ustar": lambda: tar(APP, format=tarfile.USTAR_FORMAT),
    "gnu": lambda: tar(APP, format=tarfile.GNU_FORMAT),
    "before-posix": lambda: old_tar("Procfile", PROCFILE),
    "dots": lambda: tar(folder("./"), file("./Procfile", PROCFILE), file(".//a//b")),
    "padded": lambda: tar(APP) + bytes(10240),
    "zip": lambda: zipped(APP),
    "stored-zip": lambda: zipped(APP, compression=zipfile.ZIP_STORED),
    "bzip2-zip": lambda: zipped(APP, compression=zipfile.ZIP_BZIP2),
    "lzma-zip": lambda: zipped(APP, compression=zipfile.ZIP_LZMA),
    "case-clash": lambda: tar(APP, file("procfile"), folder("D"), folder("d")),
    "long-names": lambda: tar(APP, file("/".join(["n" * 255] * 8))),
    "deep": lambda: tar(APP, file("/".join(["d"] * 99) + "/f")),
    "sparse": lambda: tar(APP)[:1024] + sparse(100_000),
    "pax-headers": lambda: many_pax_headers(20),
}

#: Archives that are refused, and a word of why.
BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "not an archive: it is empty"),
    "html": (
        lambda: b"\n <!DOCTYPE html><html><body>Not found</body></html>" * 20,
        "not an archive: it looks like an HTML page",
    ),
    "html-fragment": (lambda: b"<html>404</html>", "it looks like an HTML page"),
    "text": (lambda: b"Not found\n", "not an archive: neither tar nor zip"),
    "zeros": (lambda: bytes(10240), "an empty archive"),
    "empty-tar": (tar, "an empty archive"),
    "empty-tgz": (tgz, "an empty archive"),
    "empty-zip": (zipped, "an empty archive"),
    "gz-of-nothing": (lambda: gzip.compress(b""), "it is empty inside its compression"),
    "gz-of-text": (
        lambda: gzip.compress(b"hello" * 1000),
        "neither tar nor zip inside its compression",
    ),
    "gz-of-html": (lambda: gzip.compress(b"<html>404</html>"), "looks like an HTML page"),
    "gz-of-zip": (lambda: gzip.compress(zipped(APP)), "neither tar nor zip inside"),
    "zstd": (lambda: b"\x28\xb5\x2f\xfd" + bytes(100), ""),
    "cut-gz": (lambda: tgz(APP)[:60], "damaged archive"),
    "cut-bz2": (lambda: bz2.compress(tar(APP))[:60], "damaged archive"),
    "cut-xz": (lambda: lzma.compress(tar(APP))[:60], "damaged archive"),
    "cut-zip": (lambda: zipped(APP, file("a"))[:-30], "damaged archive"),
    "cut-in-data": (lambda: tar(APP, file("a", bytes(5000)))[:2000], "damaged archive"),
    "cut-in-header": (lambda: tar(APP, file("a"))[:1200], "damaged archive"),
    "cut-before-end": (lambda: tar(APP)[:1024], "it is cut off"),
    "gz-checksum": (lambda: tgz(APP)[:-8] + bytes(8), "damaged archive"),
    "xz-checksum": (
        lambda: flipped(lzma.compress(tar(APP), check=lzma.CHECK_CRC32), -30),
        "damaged archive",
    ),
    "zip-checksum": (
        lambda: flipped(zipped(APP, compression=zipfile.ZIP_STORED), 40),
        "damaged archive",
    ),
    "header-checksum": (lambda: flipped(tar(APP, file("a")), 1024), "damaged archive"),
    "trailing-garbage": (lambda: tgz(APP) + b"junk" * 100, "damaged archive"),
    "dots": (lambda: tar(APP, file("../ESC/a")), "'../ESC/a' leads out of the archive"),
    "dots-inside": (lambda: tar(APP, file("a/../b")), "leads out of the archive"),
    "absolute": (lambda: tar(APP, file("/ESC/a")), "'/ESC/a' has an absolute name"),
    "no-name": (lambda: tar(APP, file("./.")), "has no name"),
    "below-link": (
        lambda: tar(APP, folder("d"), symlink("l", "d"), file("l/f")),
        "'l/f' lies below a link",
    ),
    "below-later-link": (
        lambda: tar(APP, file("l/f"), symlink("l", "d")),
        "'l' is the name of two things",
    ),
    "below-absolute-link": (
        lambda: tar(APP, symlink("l", "/tmp"), file("l/f")),
        "'l/f' lies below a link",
    ),
    "below-file": (lambda: tar(APP, file("a"), file("a/b")), "two things"),
    "folder-over-file": (lambda: tar(APP, file("a"), folder("a")), "two entries"),
    "file-over-folder": (lambda: tar(APP, file("a/b"), file("a")), "two things"),
    "twice": (lambda: tar(APP, file("a"), file("./a")), "two entries have the name 'a'"),
    "folder-twice": (lambda: tar(APP, folder("a"), folder("a/")), "two entries"),
    "link-twice": (lambda: tar(APP, symlink("a", "b"), symlink("a", "c")), "two entries"),
    "file-over-link": (lambda: tar(APP, symlink("a", "b"), file("a")), "two entries"),
    "absolute-link": (
        lambda: tar(APP, symlink("l", "/etc/passwd")),
        "'l' -> '/etc/passwd' leads out",
    ),
    "leaving-link": (lambda: tar(APP, symlink("d/l", "../../x")), "leads out"),
    "link-to-parent": (lambda: tar(APP, symlink("l", "..")), "leads out"),
    "leaving-by-name": (
        lambda: tar(APP, folder("a/b/c"), symlink("l", "a/b/c"), symlink("m", "l/../../x")),
        "'m' -> 'l/../../x' leads out",
    ),
    "leaving-by-links": (
        lambda: tar(APP, symlink("a/up", ".."), symlink("a/out", "up/../x")),
        "'a/out' -> 'up/../x' leads out",
    ),
    "Procfile-link": (
        lambda: tar(symlink("Procfile", "/etc/passwd")),
        "'Procfile' -> '/etc/passwd' leads out",
    ),
    "empty-link": (lambda: zipped(APP, symlink("l", "")), "'l' has no usable target"),
    "nul-link": (lambda: zipped(APP, symlink("l", "a\0b")), "'l' has no usable target"),
    "long-link": (lambda: tar(APP, symlink("l", "x/" * 600)), "'l' has no usable target"),
    "hard-link-out": (
        lambda: tar(APP, hard_link("h", "../../etc/passwd")),
        "'h' is a hard link to '../../etc/passwd'",
    ),
    "hard-link-absolute": (
        lambda: tar(APP, hard_link("h", "/etc/passwd")),
        "'h' is a hard link to '/etc/passwd'",
    ),
    "hard-link-to-link": (
        lambda: tar(APP, symlink("l", "Procfile"), hard_link("h", "l")),
        "'h' is a hard link to 'l'",
    ),
    "hard-link-to-folder": (
        lambda: tar(APP, folder("d"), hard_link("h", "d")),
        "'h' is a hard link to 'd'",
    ),
    "hard-link-to-later": (
        lambda: tar(APP, hard_link("h", "f"), file("f")),
        "'h' is a hard link to 'f'",
    ),
    "hard-link-to-itself": (lambda: tar(APP, hard_link("Procfile", "Procfile")), "two entries"),
    "character-device": (lambda: tar(APP, Entry("null", "c")), "'null' is a device"),
    "block-device": (lambda: tar(APP, Entry("sda", "b")), "'sda' is a device"),
    "fifo": (lambda: tar(APP, Entry("fifo", "p")), "'fifo' is a device, a FIFO"),
    "long-name": (lambda: tar(APP, file("n" * 256)), "too long"),
    "long-path": (lambda: tar(APP, file("/".join(["n" * 200] * 11))), "too long"),
    "too-deep": (lambda: tar(APP, file("d/" * 100 + "f")), "too deep"),
    "Procfile-folder": (lambda: tar(folder("Procfile")), "Procfile is not a file"),
    "large-Procfile": (
        lambda: tar(file("Procfile", bytes((1 << 20) + 1))),
        "Procfile is larger than 1048576 bytes",
    ),
    "large-.env": (lambda: tar(APP, file(".env", bytes((1 << 20) + 1))), ".env is larger"),
    "path-max": (lambda: beyond_path_max("/ESC/w"), ""),
    "zip-dots": (lambda: zipped(APP, file("../ESC/z")), "'../ESC/z' leads out"),
    "zip-absolute": (lambda: zipped(APP, file("/ESC/z")), "absolute name"),
    "zip-backslash": (lambda: zipped(APP, file("..\\ESC\\w")), "has a backslash"),
    "zip-nul": (
        lambda: zipped(APP, file("aXb")).replace(b"aXb", b"a\0b"),
        "has a NUL character",
    ),
    "zip-device": (lambda: zipped(APP, Entry("n", "c")), "'n' is a device"),
    "zip-link": (lambda: zipped(APP, symlink("l", "/etc")), "'l' -> '/etc' leads out"),
    "zip-below-link": (
        lambda: zipped(APP, symlink("l", "/tmp"), file("l/q")),
        "'l/q' lies below a link",
    ),
    "zip-twice": (twice_zipped, "two entries have the name 'aaa'"),
    "zip-encrypted": (encrypted_zip, "'Procfile' is encrypted"),
    "zip-overlap": (lambda: overlapping_zip(200, 1 << 20), "overlaps another"),
    "zip-other-name": (
        lambda: zipped(APP).replace(b"Procfile", b"Profcile", 1),
        "damaged archive",
    ),
    # Too large for the bounds that the tests set: 10 MB, 500 entries, 150 MiB.
    "bomb": (
        lambda: gzip_of(header("zeros", 100 << 20), 101 << 20),
        "more than 10000000 bytes when unpacked",
    ),
    "small-bombs": (
        lambda: tgz(APP, *(file(f"z{n}", bytes(1_000_000)) for n in range(11))),
        "more than 10000000 bytes when unpacked",
    ),
    "zip-bomb": (lambda: zipped(APP, file("z", bytes(11_000_000))), "more than 10000000 bytes"),
    "sparse-bomb": (lambda: sparse(1 << 40), "more than 10000000 bytes when unpacked"),
    "long-name-bomb": (
        lambda: gzip_of(header("@LongLink", 200 << 20, tarfile.GNUTYPE_LONGNAME), 200 << 20),
        "",
    ),
    "pax-bomb": (
        lambda: gzip_of(header("x", 200 << 20, tarfile.XHDTYPE), 200 << 20),
        "",
    ),
    "padding-bomb": (
        lambda: gzip.compress(tar(APP)) + gzip_of(b"", 100 << 20),
        "too many bytes",
    ),
    "pax-chain": (lambda: gzip.compress(many_pax_headers(3000)), "damaged archive"),
    "xz-dictionary": (
        lambda: xz_dictionary(tar(APP), 40),
        "it needs too much memory to unpack",
    ),
    "entries": (
        lambda: tgz(*(folder(f"d{n}") for n in range(501))),
        "more than 500 entries",
    ),
    "implied-entries": (
        lambda: tgz(*(file(f"{n}/" + "d/" * 90 + "f") for n in range(10))),
        "more than 500 entries",
    ),
    "zip-entries": (
        lambda: zipped(*(file(f"f{n}", b"") for n in range(501))),
        "more than 500 entries",
    ),
}
