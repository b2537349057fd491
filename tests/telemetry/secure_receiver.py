"""A receiver of actions by TLS that wants a certificate of its callers: one JSON line for each request.

Arguments: its certificate, its key, the authority of its callers. The first line is its port; it ends with its input."""

import http.server
import json
import os
import ssl
import sys
import threading


class Hook(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        caller = dict(pair[0] for pair in self.connection.getpeercert()["subject"])["commonName"]
        self.send_response(204)
        self.send_header("Content-Length", "0")
        self.end_headers()
        print(json.dumps({"path": self.path, "caller": caller, "body": body}), flush=True)

    def log_message(self, *arguments):
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, address):
        """Callers that do not believe this server, or whom it does not believe, are a part of the test."""


certificate, key, authority = sys.argv[1:]
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority)
context.load_cert_chain(certificate, key)
context.verify_mode = ssl.CERT_REQUIRED
server = Server(("127.0.0.1", 0), Hook)
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
print(server.server_address[1], flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
os._exit(0)
