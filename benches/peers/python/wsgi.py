"""The document as a WSGI application: for uWSGI, FastWSGI, bjoern, gunicorn and eventlet."""

import pathlib

PEERS = pathlib.Path(__file__).parent.parent
DOCUMENT = (PEERS / "document.json").read_bytes()
HEADERS = [tuple(line.split(": ", 1)) for line in (PEERS / "head.txt").read_text().splitlines()]
HEADERS.append(("Content-Length", str(len(DOCUMENT))))


def application(environ, start_response):
    start_response("200 OK", HEADERS)
    return [DOCUMENT]
