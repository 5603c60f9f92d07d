# SPDX-License-Identifier: Apache-2.0
"""Attacks a server until it is killed: for soak.py, which measures what others notice.

    attack.py PORT KIND CLIENTS

KIND: half-shaken (a piece of a handshake, or none), idle (TLS and no request), stalled (a body that does
not go on), drip (a body by the byte), huge (20 MB without their last byte), plain-idle (no TLS, no request).
A connection that the server closes is opened again. CLIENTS 0 is no attack.
"""

import select
import socket
import ssl
import sys
import time

from hooks import PATH

HUGE = 20 << 20
HELLO = b"\x16\x03\x01\x02\x00\x01"
TICK_S = 0.05


class Client:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    def __init__(self, port, kind, number):
        self.port, self.kind, self.number = port, kind, number
        self.sock, self.sent = None, 0

    def open(self):
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=2)
        self.sock, self.sent = raw, 0
        if self.kind == "half-shaken" and self.number % 2:
            raw.sendall(HELLO)
        if self.kind in ("half-shaken", "plain-idle"):
            return
        self.sock = self.context.wrap_socket(raw, server_hostname="127.0.0.1")
        if self.kind == "idle":
            return
        length = {"huge": HUGE}.get(self.kind, 400000)
        self.sock.sendall(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode())
        self.sock.sendall(b" " * (30000 if self.kind == "stalled" else 100))

    def step(self):
        """Goes on as far as the server lets it."""
        if self.kind == "drip":
            self.sock.setblocking(False)
            self.sock.send(b" ")
        elif self.kind == "huge":
            self.sock.setblocking(False)
            while self.sent < HUGE - 200:
                self.sent += self.sock.send(b" " * min(1 << 16, HUGE - 200 - self.sent))

    def close(self):
        if self.sock:
            self.sock.close()
        self.sock = None

    def turn(self):
        try:
            if not self.sock:
                self.open()
            self.step()
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            pass
        except (OSError, ssl.SSLError):
            self.close()


def drop_closed(clients):
    poll, known = select.poll(), {}
    for client in clients:
        if client.sock:
            known[client.sock.fileno()] = client
            poll.register(client.sock, select.POLLRDHUP | select.POLLHUP | select.POLLERR)
    for fd, _ in poll.poll(0):
        known[fd].close()


def main():
    port, kind, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    clients = [Client(port, kind, number) for number in range(count)]
    while True:
        for client in clients:
            client.turn()
        drop_closed(clients)
        # soak.py waits for the first.
        print(sum(1 for client in clients if client.sock), "open", flush=True)
        time.sleep(TICK_S)


if __name__ == "__main__":
    main()
