"""Uploads over HTTP: the tus 1.0 protocol for resumable ones, a plain `PUT` for scripts.

tus extensions: creation, creation-with-upload, termination, expiration, checksum. Once all bytes are there, `HEAD`
tells the object in `Orrery-Oid`, and `GET` in its JSON. Bodies are streamed to disk by worker threads; nothing holds a
file in memory. `orrery.store.uploads` is what stands behind it.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from email.utils import format_datetime
from typing import Annotated, Any, Final

from anyio import CancelScope, to_thread
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.requests import ClientDisconnect

from orrery.domain.access import User
from orrery.errors import Conflict, Invalid, TooLarge
from orrery.store.objects import Hash, ObjectStore, ObjectWriter
from orrery.store.uploads import Upload, Uploads, UploadWriter

_VERSION: Final = "1.0.0"
_EXTENSIONS: Final = "creation,creation-with-upload,termination,expiration,checksum"
_ALGORITHMS: Final = ("sha256", "sha1", "md5")
_PIECE: Final = "application/offset+octet-stream"
_BUFFER_BYTES: Final = 1 << 20


class UploadView(BaseModel):
    id: str
    #: as the client called it, for display
    name: str
    size: int
    offset: int
    #: sha256 of the content; null until the last byte is there
    oid: str | None
    expires_at: datetime


class ObjectView(BaseModel):
    oid: str
    size: int


class _Refused(Exception):
    """A refusal that only this protocol knows, with its own HTTP status."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.response = JSONResponse(
            {"error": {"code": code, "message": message, "details": {}}},
            status,
            headers={"Tus-Resumable": _VERSION, **(headers or {})},
        )


def make_router(
    uploads: Uploads, objects: ObjectStore, current_user: Callable[..., Any], prefix: str = "/api/v1"
) -> APIRouter:
    """`current_user` is the FastAPI dependency that names the caller."""
    router = APIRouter(prefix=prefix, tags=["Uploads"])
    the_caller = Depends(current_user)

    def settle(upload: Upload) -> Upload:
        """Finish what has all its bytes: normally in the request that brought the last one, else at the next look."""
        if upload.is_complete and upload.oid is None:
            uploads.finish(upload.owner, upload.id)
            return uploads.get(upload.owner, upload.id)
        return upload

    async def receive(upload: Upload, offset: int, request: Request) -> Upload:
        """Append the request's body. What arrived before a broken connection is kept."""
        announced = _read_announced(request)
        if announced is not None and offset + announced > upload.size:
            raise TooLarge(
                f"{announced:,} bytes at offset {offset:,} go beyond the declared {upload.size:,}; begin anew with the "
                "true size",
                limit=upload.size,
            )
        checksum = _read_checksum(request)
        loop, taken_over = asyncio.get_running_loop(), CancelScope()

        def give_way() -> None:
            loop.call_soon_threadsafe(taken_over.cancel)

        writer = await to_thread.run_sync(uploads.write, upload.owner, upload.id, offset, give_way)
        try:
            writer.tentative = checksum is not None
            with taken_over:
                async for chunk in _pieces(request):
                    await to_thread.run_sync(writer.write, chunk)
                    if checksum is not None:
                        checksum[0].update(chunk)
            if taken_over.cancelled_caught:
                raise Conflict("a newer connection has taken this upload over", offset=writer.offset)
            if checksum is not None:
                _verify(writer, *checksum)
        except ClientDisconnect as error:
            raise _Refused(400, "disconnected", "the connection ended early; resume at the upload's offset") from error
        finally:
            await _close(writer)
        return await to_thread.run_sync(lambda: settle(uploads.get(upload.owner, upload.id)))

    @router.options("/uploads", include_in_schema=False)
    @router.options("/uploads/{upload_id}", include_in_schema=False)
    def describe_protocol() -> Response:
        return Response(
            status_code=204,
            headers={
                "Tus-Resumable": _VERSION,
                "Tus-Version": _VERSION,
                "Tus-Extension": _EXTENSIONS,
                "Tus-Max-Size": str(uploads.limits.upload_bytes),
                "Tus-Checksum-Algorithm": ",".join(_ALGORITHMS),
            },
        )

    @router.post("/uploads", status_code=201, response_class=Response)
    async def create_upload(request: Request, caller: User = the_caller) -> Response:
        """Begin a resumable upload (tus): `Upload-Length`, and `Upload-Metadata: filename <base64>`."""
        try:
            _check_version(request)
            size = _read_number(request, "upload-length")
            name = _read_metadata(request).get("filename", "")
            upload = await to_thread.run_sync(uploads.create, caller.name, name, size)
            if request.headers.get("content-type") == _PIECE:
                upload = await receive(upload, 0, request)
            else:
                upload = await to_thread.run_sync(settle, upload)
        except _Refused as refused:
            return refused.response
        # relative, so that it holds behind every proxy and prefix
        location = upload.id if request.url.path.endswith("/") else f"uploads/{upload.id}"
        return Response(status_code=201, headers={"Location": location, **_headers(upload)})

    @router.head("/uploads/{upload_id}", response_class=Response)
    def look_at_upload(upload_id: str, caller: User = the_caller) -> Response:
        """Where to go on from (tus): `Upload-Offset`; and `Orrery-Oid` when it is finished."""
        upload = settle(uploads.get(caller.name, upload_id))
        name = base64.b64encode(upload.name.encode()).decode()
        headers = {
            "Upload-Length": str(upload.size),
            "Upload-Metadata": f"filename {name}",
            "Cache-Control": "no-store",
        }
        return Response(status_code=200, headers={**_headers(upload), **headers})

    @router.patch("/uploads/{upload_id}", status_code=204, response_class=Response)
    async def append_to_upload(upload_id: str, request: Request, caller: User = the_caller) -> Response:
        """Send bytes from `Upload-Offset` on (tus); `Content-Type: application/offset+octet-stream`."""
        try:
            _check_version(request)
            if request.headers.get("content-type") != _PIECE:
                found = request.headers.get("content-type", "")
                raise _Refused(415, "invalid", f"Content-Type is {found!r}; a piece of an upload has {_PIECE!r}")
            offset = _read_number(request, "upload-offset")
            upload = await to_thread.run_sync(uploads.get, caller.name, upload_id)
            if offset != upload.offset:
                raise Conflict(
                    f"the upload's offset is {upload.offset}, not {offset}; go on from there", offset=upload.offset
                )
            upload = await receive(upload, offset, request)
        except _Refused as refused:
            return refused.response
        return Response(status_code=204, headers=_headers(upload))

    @router.delete("/uploads/{upload_id}", status_code=204, response_class=Response)
    def cancel_upload(upload_id: str, caller: User = the_caller) -> Response:
        """Cancel an upload and remove its bytes; an object already made of it stays."""
        uploads.cancel(caller.name, upload_id)
        return Response(status_code=204, headers={"Tus-Resumable": _VERSION})

    @router.get("/uploads/{upload_id}")
    def get_upload(upload_id: str, caller: User = the_caller) -> UploadView:
        return _view(settle(uploads.get(caller.name, upload_id)))

    @router.get("/uploads")
    def list_uploads(caller: User = the_caller) -> list[UploadView]:
        """One's own, unfinished ones and those finished lately."""
        return [_view(upload) for upload in uploads.list(caller.name)]

    @router.put("/objects", status_code=201)
    async def put_object(
        request: Request, name: Annotated[str, Query(description="for display")] = "", caller: User = the_caller
    ) -> ObjectView:
        """Upload a file as the body, in one go. For anything large prefer a resumable upload."""
        announced = _read_announced(request)
        if announced is not None:
            uploads.check_size(announced)
            await to_thread.run_sync(uploads.check_space, announced)
        writer = await to_thread.run_sync(objects.writer)
        try:
            async for chunk in _pieces(request):
                uploads.check_size(writer.size + len(chunk))
                await to_thread.run_sync(writer.write, chunk)
            stored = await to_thread.run_sync(writer.commit)
        except ClientDisconnect as error:
            raise Invalid("the connection ended early; send the whole file again") from error
        finally:
            await _close(writer)
        await to_thread.run_sync(uploads.record, caller.name, name, stored)
        return ObjectView(oid=stored.oid, size=stored.size)

    return router


async def _pieces(request: Request) -> AsyncIterator[bytearray]:
    """The body in pieces worth a thread's turn each."""
    buffer = bytearray()
    async for chunk in request.stream():
        buffer += chunk
        if len(buffer) >= _BUFFER_BYTES:
            yield buffer
            buffer = bytearray()
    if buffer:
        yield buffer


async def _close(writer: UploadWriter | ObjectWriter) -> None:
    """Also when the request was cancelled: an upload's lock must not stay held."""
    with CancelScope(shield=True):
        await to_thread.run_sync(writer.close)


def _headers(upload: Upload) -> dict[str, str]:
    headers = {
        "Tus-Resumable": _VERSION,
        "Upload-Offset": str(upload.offset),
        "Upload-Expires": format_datetime(upload.expires_at, usegmt=True),
    }
    return headers if upload.oid is None else {**headers, "Orrery-Oid": upload.oid}


def _view(upload: Upload) -> UploadView:
    return UploadView(
        id=upload.id,
        name=upload.name,
        size=upload.size,
        offset=upload.offset,
        oid=upload.oid,
        expires_at=upload.expires_at,
    )


def _check_version(request: Request) -> None:
    """A client that names no version is served; one that names another is told."""
    version = request.headers.get("tus-resumable", _VERSION)
    if version != _VERSION:
        message = f"tus version {version[:20]!r} is not spoken here; use {_VERSION}"
        raise _Refused(412, "invalid", message, {"Tus-Version": _VERSION})


def _read_number(request: Request, header: str) -> int:
    value = request.headers.get(header)
    if value is None or not value.isascii() or not value.isdigit() or len(value) > 18:
        shown = "is missing" if value is None else f"is {value[:40]!r}"
        raise Invalid(f"the header {header.title()} {shown}; it must be a whole number of bytes", header=header)
    return int(value)


def _read_announced(request: Request) -> int | None:
    """The body's length, None when it comes in chunks."""
    return _read_number(request, "content-length") if "content-length" in request.headers else None


def _read_metadata(request: Request) -> dict[str, str]:
    """`Upload-Metadata`: pairs of a key and its value in base64, between commas."""
    metadata: dict[str, str] = {}
    for pair in request.headers.get("upload-metadata", "").split(","):
        key, _, value = pair.strip().partition(" ")
        try:
            metadata[key] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise Invalid(f"Upload-Metadata holds {pair[:60]!r}; each value must be UTF-8 in base64") from error
    return metadata


def _read_checksum(request: Request) -> tuple[Hash, bytes] | None:
    """`Upload-Checksum`: an algorithm and the piece's digest in base64."""
    header = request.headers.get("upload-checksum")
    if header is None:
        return None
    algorithm, _, value = header.partition(" ")
    try:
        if algorithm in _ALGORITHMS:
            return hashlib.new(algorithm, usedforsecurity=False), base64.b64decode(value, validate=True)
    except binascii.Error:
        pass
    raise Invalid(f"Upload-Checksum is {header[:80]!r}; give one of {', '.join(_ALGORITHMS)} and the digest in base64")


def _verify(writer: UploadWriter, digest: Hash, expected: bytes) -> None:
    if digest.digest() == expected:
        writer.keep()
    else:
        writer.drop()
        raise _Refused(460, "checksum_mismatch", "the piece was damaged on its way and is dropped; send it again")
