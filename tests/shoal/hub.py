"""A stand-in for the Hugging Face Hub: the routes that a download asks, with licences, gates and broken connections."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

SHA = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """One repository. `token` opens it where it is gated; `break_after`: bytes of the next file that come before the
    connection breaks, once; `ranges` are those that were asked for."""

    repository: str
    files: dict[str, bytes]
    licence: str = "cc-by-nc-sa-4.0"
    token: str | None = None
    break_after: int | None = None
    ranges: list[str] = field(default_factory=list)

    def app(self) -> Starlette:
        """The server."""
        api = f"/api/models/{self.repository}"
        return Starlette(
            routes=[
                Route(api, self._info),
                Route(api + "/revision/{revision}", self._info),
                Route(api + "/tree/{revision}", self._tree),
                Route("/" + self.repository + "/resolve/{revision}/{name:path}", self._file, methods=["GET", "HEAD"]),
                Route("/{rest:path}", self._absent, methods=["GET", "HEAD"]),
            ]
        )

    def _refused(self, request: Request) -> Response | None:
        if self.token is None or request.headers.get("authorization") == f"Bearer {self.token}":
            return None
        return Response(status_code=401, headers={"X-Error-Code": "GatedRepo", "X-Error-Message": "restricted"})

    async def _info(self, request: Request) -> Response:
        if request.path_params.get("revision", "main") not in ("main", SHA):
            return Response(status_code=404, headers={"X-Error-Code": "RevisionNotFound"})
        files = [{"rfilename": name, "size": len(data), "blobId": _digest(data)} for name, data in self.files.items()]
        card = {"license": self.licence}
        return JSONResponse({"id": self.repository, "sha": SHA, "siblings": files, "cardData": card, "tags": []})

    async def _tree(self, request: Request) -> Response:
        entries = [
            {"type": "file", "path": name, "size": len(data), "oid": _digest(data)} for name, data in self.files.items()
        ]
        return JSONResponse(entries)

    async def _file(self, request: Request) -> Response:
        if refused := self._refused(request):
            return refused
        data = self.files.get(request.path_params["name"])
        if data is None:
            return Response(status_code=404, headers={"X-Error-Code": "EntryNotFound"})
        headers = {"ETag": f'"{_digest(data)}"', "X-Repo-Commit": SHA, "Accept-Ranges": "bytes"}
        if request.method == "HEAD":
            return Response(headers=headers | {"Content-Length": str(len(data))})
        start = 0
        if asked := request.headers.get("range"):
            self.ranges.append(asked)
            start = int(asked.removeprefix("bytes=").split("-")[0])
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        rest, status = data[start:], 206 if asked else 200
        headers["Content-Length"] = str(len(rest))
        return StreamingResponse(self._sent(rest), status, headers)

    async def _sent(self, data: bytes) -> AsyncIterator[bytes]:
        end, self.break_after = self.break_after, None
        for at in range(0, len(data), 1 << 16):
            if end is not None and at >= end:
                raise ConnectionError("broken off")
            yield data[at : at + (1 << 16)]

    async def _absent(self, request: Request) -> Response:
        return Response(status_code=401, headers={"X-Error-Code": "RepoNotFound"})


def _digest(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()
