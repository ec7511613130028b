"""A stand-in upstream for the proxy's own tests: it echoes, streams, refuses early and dies on demand.

Run as `python echo_platform.py HOME`: listens on a free port and announces itself as the platform does.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
from pathlib import Path

from tornado import web


def tell(name: str, text: str) -> None:
    """Leaves a word for the test."""
    Path(sys.argv[1], name).write_text(text)


class Health(web.RequestHandler):
    def get(self) -> None:
        self.finish({"status": "ok"})


class Echo(web.RequestHandler):
    """What arrived: request line, headers, body."""

    def answer(self) -> None:
        self.set_header("Set-Cookie", "platform=secret")
        self.add_header("Link", "<a>")
        self.add_header("Link", "<b>")
        self.finish(
            {
                "method": self.request.method,
                "uri": self.request.uri,
                "headers": dict(self.request.headers.get_all()),
                "body": self.request.body.decode("latin1"),
            }
        )

    get = post = put = patch = delete = answer


@web.stream_request_body
class Upload(web.RequestHandler):
    """Size and digest of a body of any size; with `?early` it refuses at once, and reads on as a polite server does."""

    async def prepare(self) -> None:
        self.request.connection.set_max_body_size(1 << 40)  # pyright: ignore
        self.digest = hashlib.sha256()
        self.size = 0
        if "early" in self.request.query:
            self.set_status(413)
            self.set_header("Content-Length", "2")
            self.write("no")
            await self.flush()

    def data_received(self, chunk: bytes) -> None:
        self.digest.update(chunk)
        self.size += len(chunk)

    def put(self) -> None:
        if "early" in self.request.query:
            self.finish()
            return
        self.finish({"size": self.size, "sha256": self.digest.hexdigest()})

    post = put


class Download(web.RequestHandler):
    async def get(self) -> None:
        size = int(self.get_argument("size"))
        self.set_header("Content-Type", "application/octet-stream")
        self.set_header("Content-Length", str(size))
        block = bytes(1 << 20)
        for sent in range(0, size, len(block)):
            self.write(block[: size - sent])
            await self.flush()
            tell("sent", str(sent + len(block)))


class Events(web.RequestHandler):
    """A server-sent event for each line written to the file `events`; ends at `end`."""

    async def get(self) -> None:
        self.set_header("Content-Type", "text/event-stream")
        await self.flush()
        told = 0
        source = Path(sys.argv[1], "events")
        while not self.request.connection.stream.closed():  # pyright: ignore
            lines = source.read_text().splitlines() if source.exists() else []  # noqa: ASYNC240
            for line in lines[told:]:
                if line == "end":
                    return
                self.write(f"data: {line}\n\n")
                await self.flush()
            told = len(lines)
            await asyncio.sleep(0.01)

    def on_connection_close(self) -> None:
        Path(sys.argv[1], "gone").touch()


class Cut(web.RequestHandler):
    """Ends within the body."""

    async def get(self) -> None:
        self.set_header("Content-Length", "100")
        self.write("half")
        await self.flush()
        self.request.connection.stream.close()  # pyright: ignore


class Redirect(web.RequestHandler):
    def get(self) -> None:
        self.redirect("/echo/there")


class Die(web.RequestHandler):
    def post(self) -> None:
        os._exit(3)


async def main(home: Path) -> None:
    application = web.Application(
        [
            ("/healthz", Health),
            ("/echo.*", Echo),
            ("/upload", Upload),
            ("/download", Download),
            ("/events", Events),
            ("/cut", Cut),
            ("/redirect", Redirect),
            ("/die", Die),
        ]
    )
    server = application.listen(0, "127.0.0.1")
    port = next(iter(server._sockets.values())).getsockname()[1]  # pyright: ignore
    run = home / "run"
    run.mkdir(parents=True, exist_ok=True)
    announcement = {"url": f"http://127.0.0.1:{port}", "token": "private", "pid": os.getpid(), "version": "9.9"}
    (run / "platform.json.tmp").write_text(json.dumps(announcement))
    (run / "platform.json.tmp").replace(run / "platform.json")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
