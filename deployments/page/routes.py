"""The page's files, served from memory: GET / and what it loads from page/<version>/.

The version is a digest of all files. A browser keeps what it loaded under it for good, and asks for / each time, so a
new release is a new page at once and an old one costs a single request.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from deployments.protocols.base import Protocol, plain_body

FOLDER = Path(__file__).parent / "static"
INDEX = "index.html"
UNVERSIONED = "page/files/"  # how index.html refers to the other files

# Not by `mimetypes`: it asks the operating system, where .js may be text/plain, which no browser runs.
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "manifest-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",
    "trusted-types": "'none'",
}
HEADERS = {
    "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in POLICY.items()),
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(self)",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
REVALIDATE, FOR_GOOD = "no-cache", "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class File:
    """A file as it is sent; `etag` changes with its content."""

    content: bytes
    media_type: str
    etag: str


class Site:
    """All files below a folder, read once, by their paths in it."""

    def __init__(self, folder: Path) -> None:
        contents = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.suffix in TYPES
        }
        self.version = _digest(b"".join(name.encode() + content for name, content in contents.items()))
        contents[INDEX] = contents[INDEX].replace(UNVERSIONED.encode(), f"page/{self.version}/".encode())
        self.files: Mapping[str, File] = {
            name: File(content, TYPES[Path(name).suffix], f'"{_digest(content)}"') for name, content in contents.items()
        }

    async def index(self, request: Request) -> Response:
        """GET /. Its links are relative, so below a route prefix it must be asked for with the slash at the end."""
        if not request.url.path.endswith("/"):
            return RedirectResponse(f"{request.url.path}/")
        return self._answer(request, INDEX, REVALIDATE)

    async def file(self, request: Request) -> Response:
        """GET page/{version}/{path}. While replicas of two releases answer, one may be asked for the other's version:
        what it has is sent, but not to be kept."""
        current = request.path_params["version"] == self.version
        return self._answer(request, request.path_params["path"], FOR_GOOD if current else REVALIDATE)

    def _answer(self, request: Request, name: str, cache: str) -> Response:
        file = self.files.get(name)
        if file is None:
            raise HTTPException(404, "The page has no such file.")
        headers = HEADERS | {"Cache-Control": cache, "ETag": file.etag}
        if file.etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(file.content, headers=headers, media_type=file.media_type)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


_site = Site(FOLDER)

PROTOCOL = Protocol(
    name="page",
    prefixes=("/page",),
    open_paths=frozenset(("/",)),
    open_folders=("/page",),
    error_body=plain_body,
    routes=[
        Route("/", _site.index),
        Route("/page/{version}/{path:path}", _site.file),
    ],
)
