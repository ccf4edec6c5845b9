"""Everything that clients, strangers and operators do to a server, at once and at a modest rate.

Each kind is a thread that does its thing so many times a second; `counts` says how often it did. An
answer that is wrong goes into `faults`.
"""

import base64
import contextlib
import json
import os
import random
import select
import signal
import socket
import struct
import threading
import time

import machine
import names

# Hosts that report, beside those that are only asked for.
REPORTING = 50
# Clients that are connected and do next to nothing.
SLOW = 60
# What a client waits for an answer, in seconds: the machine may have other work.
PATIENCE = 20
# Faults that are told of each kind.
TOLD = 5


class Load:
    def __init__(self, bench, server, rate):
        self.server, self.rate = server, rate
        self.dns = ("127.0.0.1", server.port)
        with open(os.path.join(server.directory, "truename.toml")) as file:
            listen = [line.split('"')[1] for line in file if line.startswith("listen")]
        self.http = ("127.0.0.1", int(listen[1].split(":")[1]))
        self.counts, self.faults = {}, []
        self.over = threading.Event()
        self.threads = []
        self.wait_for_commands()
        self.hosts = [self.add_host(f"r{n:03}") for n in range(REPORTING)]
        # What was acknowledged last of each, and its turn.
        self.addresses = [None] * REPORTING
        self.locks = [threading.Lock() for _ in range(REPORTING)]

    def start(self):
        kinds = [(self.query, 200), (self.report, 10), (self.repeat, 20), (self.wrong_password, 2),
                 (self.nonsense_datagram, 40), (self.nonsense_stream, 3), (self.nonsense_http, 5),
                 (self.dns_connection, 10), (self.http_connection, 5), (self.slow_clients, 4),
                 (self.operator, 0.5), (self.unsigned_update, 5), (self.reload, 1 / 30)]
        for kind, rate in kinds:
            thread = threading.Thread(target=self.repeatedly, args=(kind, rate * self.rate), daemon=True)
            self.threads.append(thread)
            thread.start()

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join(PATIENCE + 10)

    def repeatedly(self, kind, rate):
        """Runs a generator, a step at a time, `rate` steps a second."""
        chance = random.Random(kind.__name__)
        due = time.monotonic()
        while not self.over.is_set():
            try:
                for counted in kind(chance):
                    name = kind.__name__.replace("_", " ")
                    self.counts[name] = self.counts.get(name, 0) + (counted is not False)
                    due = max(due + 1 / rate, time.monotonic() - 1)
                    if self.over.wait(max(0, due - time.monotonic())):
                        return
            except OSError as error:
                # A connection may be closed at any time by a server that is
                # pressed; none may be refused for good.
                self.counts["broken off"] = self.counts.get("broken off", 0) + 1
                self.last_error = f"{kind.__name__}: {error}"
                due = max(due + 1 / rate, time.monotonic() - 1)
                if self.over.wait(max(0.05, due - time.monotonic())):
                    return

    def fault(self, kind, what):
        if sum(fault.startswith(kind) for fault in self.faults) < TOLD:
            self.faults.append(f"{kind}: {what}")

    # --- the DNS -----------------------------------------------------------

    def query(self, chance):
        """Questions for what is there and what is not, from everywhere."""
        while True:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.bind((stranger(chance), 0))
                client.settimeout(PATIENCE)
                client.connect(self.dns)
                for _ in range(5):
                    label, kind, wanted = some_question(chance)
                    client.send(names.question(label, kind, chance.random() < 0.5))
                    try:
                        code, _ = names.read(client.recv(4096))
                    except TimeoutError:
                        self.fault("query", f"no answer for {label}")
                        continue
                    if code != wanted:
                        self.fault("query", f"{label} type {kind}: code {code}, not {wanted}")
                    yield

    def nonsense_datagram(self, chance):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.bind((stranger(chance), 0))
            for _ in range(100):
                client.sendto(nonsense(chance), self.dns)
                yield
                while select.select([client], [], [], 0)[0]:
                    client.recv(4096)

    def nonsense_stream(self, chance):
        with connected(self.dns, stranger(chance)) as client:
            message = nonsense(chance)
            length = chance.choice([len(message), 0, 1, 11, 65535])
            client.sendall(struct.pack("!H", length) + message)
            client.settimeout(0.2)
            with contextlib.suppress(OSError):
                client.recv(4096)
            yield

    def dns_connection(self, chance):
        """One that asks some questions and goes, in order or not."""
        with connected(self.dns, stranger(chance)) as client:
            wanted = []
            for _ in range(chance.randrange(1, 6)):
                label, kind, code = some_question(chance)
                question = names.question(label, kind)
                client.sendall(struct.pack("!H", len(question)) + question)
                wanted.append(code)
            if chance.random() < 0.2:
                reset(client)
            else:
                for code in wanted:
                    length, = struct.unpack("!H", exactly(client, 2))
                    got, _ = names.read(exactly(client, length))
                    if got != code:
                        self.fault("dns connection", f"code {got}, not {code}")
            yield

    def unsigned_update(self, chance):
        """DNS UPDATE without a signature, or with one of nobody's."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.bind((stranger(chance), 0))
            client.settimeout(PATIENCE)
            zone = wire_name(names.ZONE) + struct.pack("!2H", 6, 1)
            record = wire_name(f"h0000001.{names.ZONE}") + struct.pack("!2HIH", 1, 1, 60, 4) + bytes(4)
            signed = chance.random() < 0.5
            tsig = wire_name(f"{chance.randrange(10 ** 6)}") + struct.pack("!2HIH", 250, 255, 0, 61)
            tsig += wire_name("hmac-sha256") + struct.pack("!HI2H", 0, int(time.time()), 300, 32)
            tsig += chance.randbytes(32) + struct.pack("!3H", 4, 0, 0)
            message = struct.pack("!6H", 4, 5 << 11, 1, 0, 1, signed) + zone + record + (tsig if signed else b"")
            client.sendto(message, self.dns)
            with contextlib.suppress(TimeoutError):
                code = client.recv(4096)[3] & 15
                if code == 0:
                    self.fault("unsigned update", "it was taken")
            yield

    # --- HTTP --------------------------------------------------------------

    def report(self, chance):
        """Addresses that change; each is seen by the next question."""
        with connected(self.http, stranger(chance)) as client:
            for _ in range(20):
                host = chance.randrange(REPORTING)
                with self.locks[host]:
                    address = f"93.184.{chance.randrange(256)}.{chance.randrange(1, 255)}"
                    if address == self.addresses[host]:
                        continue
                    label, password = self.hosts[host]
                    sent = self.addresses[host]
                    # Without an answer nobody knows which of the two it is.
                    self.addresses[host] = None
                    said = ask(client, f"/nic/update?hostname={label}.{names.ZONE}&myip={address}",
                               f"{label}.{names.ZONE}", password)
                    if said != f"good {address}":
                        self.addresses[host] = sent if said.startswith("HTTP 503") else None
                        self.fault("report", f"{said!r} for {address}, {sent} before")
                        continue
                    self.addresses[host] = address
                    if self.lookup(label) != address:
                        self.fault("report", f"{address} of {label} is not seen after `good`")
                yield

    def repeat(self, chance):
        """Reports that change nothing."""
        with connected(self.http, stranger(chance)) as client:
            for _ in range(20):
                host = chance.randrange(REPORTING)
                with self.locks[host]:
                    address = self.addresses[host]
                    if address is None:
                        yield False
                        continue
                    label, password = self.hosts[host]
                    said = ask(client, f"/nic/update?hostname={label}.{names.ZONE}&myip={address}",
                               f"{label}.{names.ZONE}", password)
                    if said != f"nochg {address}":
                        self.fault("repeat", f"{said!r} for {address}")
                yield

    def wrong_password(self, chance):
        """Of names there are and names there are not."""
        with connected(self.http, stranger(chance)) as client:
            known = chance.random() < 0.5
            label = self.hosts[chance.randrange(REPORTING)][0] if known else f"n{chance.randrange(10 ** 9)}"
            said = ask(client, f"/nic/update?hostname={label}.{names.ZONE}&myip=192.0.2.1",
                       f"{label}.{names.ZONE}", f"wrong-{chance.randrange(10 ** 9)}")
            if said.startswith(("good", "nochg")):
                self.fault("wrong password", said)
            yield

    def nonsense_http(self, chance):
        with connected(self.http, stranger(chance)) as client:
            client.sendall(chance.choice([
                lambda: chance.randbytes(chance.randrange(1, 3000)),
                lambda: b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
                lambda: b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 500 + b"\r\n",
                lambda: b"POST /nic/update HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 30_000,
                lambda: b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n" + b"y" * 9000,
                lambda: b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET ",
                lambda: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + chance.randbytes(500),
                lambda: b"GET /nic/update?hostname=" + b"%ff%00," * 2000 + b" HTTP/1.0\r\n\r\n",
            ])())
            client.settimeout(0.2)
            with contextlib.suppress(OSError):
                client.recv(65536)
            yield

    def http_connection(self, chance):
        with connected(self.http, stranger(chance)) as client:
            if chance.random() < 0.3:
                reset(client)
            else:
                said = ask(client, "/checkip", None, None)
                if "127." not in said:
                    self.fault("http connection", said)
            yield

    def slow_clients(self, chance):
        """Connections that send an octet now and then, or ask and never read."""
        clients = []
        try:
            while True:
                if len(clients) < SLOW:
                    kind = chance.choice(["dns", "http", "dns unread", "http unread", "silent"])
                    client = connected(self.dns if "dns" in kind else self.http, stranger(chance))
                    client.setblocking(False)
                    clients.append((client, kind))
                for client, kind in chance.sample(clients, min(6, len(clients))):
                    question = names.question("h0000001", 1)
                    piece = {"dns": b"\0", "http": b"G", "silent": b"",
                             "dns unread": (struct.pack("!H", len(question)) + question) * 50,
                             "http unread": b"GET /checkip HTTP/1.1\r\nHost: x\r\n\r\n" * 50}[kind]
                    try:
                        # Nothing to read is BlockingIOError, too.
                        if client.recv(1, socket.MSG_PEEK) == b"":
                            raise ConnectionError("closed")
                        client.send(piece)
                    except BlockingIOError:
                        with contextlib.suppress(OSError):
                            client.send(piece)
                    except OSError:
                        client.close()
                        clients.remove((client, kind))
                yield
        finally:
            for client, _ in clients:
                client.close()

    # --- the operator ------------------------------------------------------

    def operator(self, chance):
        """Hosts and keys that come and go; a login of those gone is none."""
        label = f"t{chance.randrange(10 ** 9)}"
        name = f"{label}.{names.ZONE}"
        _, password = self.add_host(label)
        key = self.command(ask="key-add", holder={"host": name}, hosts=[], networks=[], label="soak")
        with connected(self.http, stranger(chance)) as client:
            said = ask(client, f"/nic/update?hostname={name}&myip=93.184.216.34", name, password)
            if said != "good 93.184.216.34":
                self.fault("operator", f"a new host: {said!r}")
            yield
            number = key_number(key)
            if number:
                self.command(ask="key-remove", id=number)
            self.command(ask="history", host=name)
            self.command(ask="why", about=None, most=20)
            self.command(ask="host-remove", name=name)
            said = ask(client, f"/nic/update?hostname={name}&myip=93.184.216.35", name, password)
            if said.startswith(("good", "nochg")):
                self.fault("operator", f"a host that is gone: {said!r}")
            yield

    def reload(self, chance):
        os.kill(self.server.pid, signal.SIGHUP)
        self.command(ask="status")
        yield

    def add_host(self, label):
        added = self.command(ask="host-add", name=f"{label}.{names.ZONE}", settings={}, key=True)
        return label, next(found for found in strings(added, "token"))

    def wait_for_commands(self):
        """It answers questions a moment before it takes commands."""
        control = os.path.join(self.server.directory, "data", "control")
        for _ in range(600):
            if os.path.exists(control):
                return
            time.sleep(0.05)

    def command(self, **command):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(60)
            # Unix sockets have short names; the directory need not.
            directory = os.open(os.path.join(self.server.directory, "data"), os.O_PATH)
            try:
                client.connect(f"/proc/self/fd/{directory}/control")
            finally:
                os.close(directory)
            client.sendall(json.dumps(command).encode() + b"\n")
            reply = json.loads(client.makefile("rb").readline())
        if "Ok" not in reply:
            self.fault("command", f"{command}: {reply}")
            return {}
        return reply["Ok"]

    def lookup(self, label, port=None):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(PATIENCE)
            client.connect(("127.0.0.1", port or self.dns[1]))
            client.send(names.question(label, 1))
            _, data = names.read(client.recv(4096))
            return socket.inet_ntoa(data[0]) if data else None

    def compare(self, server):
        """What another server says of everything that was acknowledged here."""
        lost = []
        for (label, _), address in zip(self.hosts, self.addresses):
            found = address and self.lookup(label, server.port)
            if found != address:
                lost.append(f"lost: {label} was told `good` for {address}; after a restart it has {found}")
        return lost


def stranger(chance):
    """One of many networks."""
    return f"127.{chance.randrange(1, 255)}.{chance.randrange(256)}.{chance.randrange(1, 255)}"


def connected(to, source="127.0.0.1"):
    client = socket.create_connection(to, PATIENCE, (source, 0))
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def reset(client):
    """Goes away without a word (RST)."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def exactly(client, count):
    data = b""
    while len(data) < count:
        piece = client.recv(count - len(data))
        if not piece:
            raise ConnectionError("closed in the middle of an answer")
        data += piece
    return data


def ask(client, target, user, password):
    """One request on a connection that is kept; the body of the answer, or its status."""
    request = f"GET {target} HTTP/1.1\r\nHost: ddns\r\n"
    if user:
        request += f"Authorization: Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}\r\n"
    client.sendall((request + "\r\n").encode())
    head = b""
    while b"\r\n\r\n" not in head:
        piece = client.recv(4096)
        if not piece:
            raise ConnectionError("closed before the answer")
        head += piece
    head, body = head.split(b"\r\n\r\n", 1)
    length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n")
                  if line.lower().startswith(b"content-length:"))
    body += exactly(client, length - len(body))
    status = head.split(b" ", 2)[1].decode()
    return body.decode().strip() if status == "200" else f"HTTP {status} {body.decode().strip()}"


def some_question(chance):
    """A label, a type, and the response code there is for it."""
    kind = chance.random()
    if kind < 0.9:
        return f"h{chance.randrange(20):07}", chance.choice([1, 28]), 0
    if kind < 0.95:
        return f"h{chance.randrange(20):07}", 65, 0
    return f"x{chance.randrange(10 ** 12)}", 1, 3


def nonsense(chance):
    """A question that was bent, or bytes that never were one."""
    if chance.random() < 0.3:
        return chance.randbytes(chance.randrange(0, 600))
    message = bytearray(names.question(f"h{chance.randrange(20):07}", chance.randrange(300), chance.random() < 0.5))
    for _ in range(chance.randrange(1, 6)):
        message[chance.randrange(len(message))] = chance.randrange(256)
    return bytes(message[:chance.randrange(len(message) + 1)] if chance.random() < 0.3 else message)


def wire_name(name):
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0"


def strings(value, key):
    """Every string of that key, however deep."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == key and isinstance(inner, str):
                yield inner
            yield from strings(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner, key)


def key_number(added):
    return next((value for value in strings(added, "id")), None)
