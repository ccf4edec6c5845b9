"""TCP clients that no server wants: `press.py KIND PORT`, until its standard input ends.

Says `ready` once all of them are there, or as many as the server lets in.
"""

import errno
import os
import resource
import select
import socket
import struct
import sys
import time

sys.dont_write_bytecode = True

import names

# How many there are of each kind at a time. Who is thrown out comes again,
# except those that only sit there.
CROWDS = {"idle": 10_000, "slow writers": 1_000, "never read": 200, "come and go": 50}
QUESTION = names.question("ns1", 1)
QUESTION = struct.pack("!H", len(QUESTION)) + QUESTION


class Crowd:
    def __init__(self, kind, port):
        self.kind, self.port = kind, port
        self.poll = select.epoll()
        self.open = {}
        self.begun = 0

    def add(self):
        client = socket.socket()
        client.setblocking(False)
        if self.kind == "never read":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        try:
            client.connect(("127.0.0.1", self.port))
        except BlockingIOError:
            pass
        except OSError:
            client.close()
            return
        self.begun += 1
        self.open[client.fileno()] = client
        wanted = select.EPOLLOUT if self.kind in ("never read", "come and go") else select.EPOLLIN
        self.poll.register(client, wanted)

    def drop(self, number):
        client = self.open.pop(number)
        self.poll.unregister(client)
        client.close()

    def turn(self):
        """Deals with whoever may do something."""
        for number, _ in self.poll.poll(0.01, 1000):
            client = self.open[number]
            try:
                if self.kind == "never read":
                    client.send(QUESTION * 100)
                elif self.kind == "come and go":
                    client.send(QUESTION)
                    self.drop(number)
                elif not client.recv(4096):
                    self.drop(number)
            except BlockingIOError:
                pass
            except OSError:
                self.drop(number)

    def drip(self):
        """An octet from each: of a message that claims to be long."""
        for number, client in list(self.open.items()):
            try:
                client.send(b"\xff")
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.ENOTCONN):
                    self.drop(number)


def main():
    kind, port = sys.argv[1], int(sys.argv[2])
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    count = min(CROWDS[kind], most - 100, int(sys.argv[3]) if len(sys.argv) > 3 else 1 << 30)
    crowd = Crowd(kind, port)
    end = select.poll()
    end.register(0, select.POLLHUP | select.POLLIN)
    said = False
    dripped = time.monotonic()
    while not end.poll(0):
        room = count - crowd.begun if kind == "idle" else count - len(crowd.open)
        for _ in range(min(room, 100)):
            crowd.add()
        crowd.turn()
        if kind == "slow writers" and time.monotonic() - dripped > 1:
            dripped = time.monotonic()
            crowd.drip()
        if crowd.begun >= count and not said:
            said = True
            os.write(1, b"ready\n")


if __name__ == "__main__":
    main()
