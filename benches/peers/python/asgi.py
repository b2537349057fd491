"""The document as an ASGI application: for uvicorn."""

import pathlib

PEERS = pathlib.Path(__file__).parent.parent
DOCUMENT = (PEERS / "document.json").read_bytes()
HEADERS = [tuple(line.split(b": ", 1)) for line in (PEERS / "head.txt").read_bytes().lower().splitlines()]
HEADERS.append((b"content-length", str(len(DOCUMENT)).encode()))


async def application(scope, receive, send):
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": DOCUMENT})
