"""Starts one WSGI server on a port of the loopback address: serve.py SERVER PORT."""

import sys

from wsgi import application


def fastwsgi(port):
    import fastwsgi

    fastwsgi.run(application, host="127.0.0.1", port=port, loglevel=0)


def bjoern(port):
    import bjoern

    bjoern.run(application, "127.0.0.1", port)


def eventlet(port):
    import eventlet
    from eventlet import wsgi

    wsgi.server(eventlet.listen(("127.0.0.1", port), backlog=1024), application, log_output=False)


{"fastwsgi": fastwsgi, "bjoern": bjoern, "eventlet": eventlet}[sys.argv[1]](int(sys.argv[2]))
