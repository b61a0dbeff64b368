"""
What the files of a site are.

Not what the machine's own tables say: those differ from one to the next.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

UNKNOWN = "application/octet-stream"

_TEXT: Mapping[str, str] = {
    "atom": "application/atom+xml",
    "css": "text/css",
    "csv": "text/csv",
    "htm": "text/html",
    "html": "text/html",
    "ics": "text/calendar",
    "js": "text/javascript",
    "json": "application/json",
    "log": "text/plain",
    "map": "application/json",
    "md": "text/markdown",
    "mjs": "text/javascript",
    "py": "text/plain",
    "rss": "application/rss+xml",
    "rst": "text/plain",
    "svg": "image/svg+xml",
    "toml": "application/toml",
    "ts": "text/plain",
    "tsv": "text/tab-separated-values",
    "txt": "text/plain",
    "vtt": "text/vtt",
    "webmanifest": "application/manifest+json",
    "xhtml": "application/xhtml+xml",
    "xml": "application/xml",
    "xsl": "application/xslt+xml",
    "yaml": "application/yaml",
    "yml": "application/yaml",
}
_BYTES: Mapping[str, str] = {
    "aac": "audio/aac",
    "apng": "image/apng",
    "avif": "image/avif",
    "bmp": "image/bmp",
    "bz2": "application/x-bzip2",
    "eot": "application/vnd.ms-fontobject",
    "flac": "audio/flac",
    "gif": "image/gif",
    "gz": "application/gzip",
    "ico": "image/vnd.microsoft.icon",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "m4a": "audio/mp4",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "oga": "audio/ogg",
    "ogg": "audio/ogg",
    "ogv": "video/ogg",
    "otf": "font/otf",
    "pdf": "application/pdf",
    "png": "image/png",
    "tar": "application/x-tar",
    "tgz": "application/gzip",
    "ttf": "font/ttf",
    "wasm": "application/wasm",
    "wav": "audio/wav",
    "webm": "video/webm",
    "webp": "image/webp",
    "woff": "font/woff",
    "woff2": "font/woff2",
    "xz": "application/x-xz",
    "zip": "application/zip",
    "zst": "application/zstd",
}


def content_type(name: str) -> str:
    """
    The type of a file of that name.  Text is taken for UTF-8.
    """
    extension = os.path.splitext(name)[1][1:].lower()
    if extension in _TEXT:
        return f"{_TEXT[extension]}; charset=utf-8"
    return _BYTES.get(extension, UNKNOWN)
