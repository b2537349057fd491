"""The document as an ASGI application: for uvicorn."""

import pathlib

DOCUMENT = (pathlib.Path(__file__).parent.parent / "document.json").read_bytes()
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(DOCUMENT)).encode())]


async def application(scope, receive, send):
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": DOCUMENT})
