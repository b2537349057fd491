"""A way to a server that can be cut: what is asked on it arrives at a real server, as long as the test lets it."""

import contextlib
import socket
import threading


class Wire:
    """Forwards connections to a port of this machine. `cut_after` lets a connection break when so many bytes of answers have passed,
    `times` times; `down` refuses all."""

    def __init__(self, port):
        self.port, self.left, self.times, self.down, self.cut = port, 0, 0, False, 0
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def cut_after(self, bytes, times):
        with self.lock:
            self.left, self.times, self.cut = bytes, times, 0

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                if self.down:
                    client.close()
                    continue
                server = socket.create_connection(("127.0.0.1", self.port))
                for source, target, answers in ((client, server, False), (server, client, True)):
                    threading.Thread(target=self.forward, args=(source, target, answers), daemon=True).start()

    def forward(self, source, target, answers):
        passed = 0
        with contextlib.suppress(OSError):
            while piece := source.recv(1 << 16):
                passed += len(piece)
                if answers and self.breaks(passed):
                    break
                target.sendall(piece)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def breaks(self, passed):
        with self.lock:
            if self.times == 0 or passed <= self.left:
                return False
            self.times, self.cut = self.times - 1, self.cut + 1
            return True
