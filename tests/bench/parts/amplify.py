"""Octets that come back for each that is asked with: what a server is worth to whoever forges addresses.

Every server has the same zone, with the largest answers somebody could find
in one: long texts, many addresses, keys, delegations with glue.
"""

import select
import socket
import struct
import time

import machine
import names
import servers
from table import table

# Questions a second from one address, and for how long.
RATE, SECONDS = 10_000, 10

TXT, AAAA, NS, MX, ANY, DNSKEY, KEYS, A = 16, 28, 2, 15, 255, 48, 61, 1
# What is asked: how it is called, the name, the type.
QUESTIONS = [
    ("long TXT", "txt", TXT),
    ("longer TXT", "txtxt", TXT),
    ("40 AAAA", "many", AAAA),
    ("70 A", "many", A),
    ("ANY, all of these", "all", ANY),
    ("ANY of the zone", "", ANY),
    ("NS of the zone", "", NS),
    ("MX", "mail", MX),
    ("keys", "keys", KEYS),
    ("delegation with glue", "host.sub", A),
    ("no such name", "no", A),
    ("another's name", None, ANY),
]
EDNS = [("none", None), ("1232", (1232, 0)), ("4096, DO", (4096, 0x8000))]


def zone_text():
    """Every name's largest answer but for `txtxt` and `all` is below 1232 octets, what most servers send at most."""
    lines = [names.APEX]
    lines += [f"@ NS n{n}\nn{n} A 192.0.2.{n}\nn{n} AAAA 2001:db8::{n}\n" for n in range(1, 13)]
    for owner, texts in ("txt", 4), ("txtxt", 15), ("all", 4):
        lines.append(f"{owner} TXT " + " ".join('"' + chr(97 + n) * 250 + '"' for n in range(texts)) + "\n")
    for owner in "many", "all":
        lines += [f"{owner} A 198.51.100.{n}\n" for n in range(1, 71)]
        lines += [f"{owner} AAAA 2001:db8:1::{n}\n" for n in range(1, 41)]
    for owner in "keys", "all":
        lines += [f"{owner} TYPE61 \\# 256 {n:02x}{'5a' * 255}\n" for n in range(4)]
    for n in range(1, 13):
        lines.append(f"mail MX 10 mx{n}\nmx{n} A 203.0.113.{n}\nmx{n} AAAA 2001:db8:2::{n}\n")
        lines.append(f"sub NS ns{n}.sub\nns{n}.sub A 203.0.113.{n}\nns{n}.sub AAAA 2001:db8:3::{n}\n")
    return "".join(lines)


def question(name, kind, edns):
    name = "www.example.com" if name is None else f"{name}.{names.ZONE}".lstrip(".")
    wire = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    opt = struct.pack("!BHHIH", 0, 41, edns[0], edns[1], 0) if edns else b""
    return struct.pack("!6H", 7, 0, 1, 0, 0, bool(edns)) + wire + struct.pack("!BHH", 0, kind, 1) + opt


def measure(bench):
    seconds = bench.choose("seconds", SECONDS, 0.3)
    zone = machine.write(bench.folder("amplify"), "names.zone", zone_text())
    running = start_all(bench, zone)
    single = {server.name: singles(server, bench.smoke) for server in running}
    table("Octets sent for each received, one question over UDP",
          ["question"] + [server.name for server in running],
          [[what] + [worst(single[server.name], what) for server in running] for what, _, _ in QUESTIONS]
          + [["**the worst of all**"] + [worst(single[server.name]) for server in running]],
          "The worst of a question without EDNS, with 1232, with 4096 and DO; payload, and with headers of IP and UDP.")
    rows = []
    for server in running:
        ratios = single[server.name]
        most = max(ratios, key=lambda key: ratios[key][0])
        one = flood(server, [ratios[most][2]], seconds)
        every = flood(server, [ratio[2] for ratio in ratios.values()], seconds)
        rows.append([server.name, f"{most[0]}, EDNS {most[1]}", *one, *every])
        machine.stop(server.process)
    table(f"Octets sent for each received, {RATE:,} questions a second from one address for {seconds:g} s",
          ["server", "worst question", "payload", "with headers", "datagrams sent of received", "every question in turn: payload",
           "with headers", "datagrams"], rows)


def start_all(bench, zone):
    """truename as it comes, but that it takes loopback for a stranger; the peers as they come, and with their limits."""
    place = "amplify"
    running = [servers.truename(bench, place, zone=zone, rate_limit="exempt = []")]
    usual = {"NSD": "nsd-usual", "Knot": "knot-usual", "BIND": "bind-usual", "PowerDNS": "powerdns", "YADIFA": "yadifa"}
    limit = {"Knot": "knot-limit", "BIND": "bind-limit", "YADIFA": "yadifa-limit"}
    for names_of, suffix in (usual, ""), (limit, ", limit"):
        for peer, name in names_of.items():
            server = servers.start(bench, name, servers.COMMANDS[peer], place, zone)
            server.name = peer + suffix
            running.append(server)
    for server in running:
        servers.wait_for_answer(server)
    return running


def singles(server, smoke):
    """By question and EDNS: payload out for payload in, the same with headers, the question."""
    found = {}
    for what, name, kind in QUESTIONS:
        for words, edns in EDNS[:1] if smoke else EDNS:
            asked = question(name, kind, edns)
            with client(server) as udp:
                # Slowly enough for every limit.
                time.sleep(0 if smoke else 0.11)
                udp.send(asked)
                got = list(taken(udp, 0.05 if smoke else 0.5))
            found[what, words] = (sum(map(len, got)) / len(asked),
                                  sum(map(on_the_wire, map(len, got))) / on_the_wire(len(asked)), asked)
    return found


def worst(ratios, what=None):
    chosen = [ratio for (of, _), ratio in ratios.items() if what in (None, of)]
    return f"{max(ratio[0] for ratio in chosen):.1f} ({max(ratio[1] for ratio in chosen):.1f})"


def on_the_wire(payload):
    """With headers of IPv4 and UDP; 1500 octets cross in one piece."""
    pieces = -(-(payload + 8) // 1480)
    return payload + 8 + 20 * pieces


def client(server):
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    udp.connect(("127.0.0.1", server.port))
    return udp


def taken(udp, seconds):
    """What comes within this time; the first ends the wait for more soon."""
    while select.select([udp], [], [], seconds)[0]:
        yield udp.recv(65536)
        seconds = 0.01


def flood(server, asked, seconds):
    """Ratios of payload, of all octets, of datagrams."""
    sent = sent_octets = sent_wire = got = got_octets = got_wire = 0
    with client(server) as udp:
        udp.setblocking(False)
        begun = time.monotonic()
        while (passed := time.monotonic() - begun) < seconds:
            for _ in range(int(passed * RATE) - sent):
                message = asked[sent % len(asked)]
                sent += 1
                sent_octets += len(message)
                sent_wire += on_the_wire(len(message))
                try:
                    udp.send(message)
                except BlockingIOError:
                    pass
            for message in received(udp):
                got, got_octets, got_wire = got + 1, got_octets + len(message), got_wire + on_the_wire(len(message))
            time.sleep(0.0005)
        for message in taken(udp, 0.5):
            got, got_octets, got_wire = got + 1, got_octets + len(message), got_wire + on_the_wire(len(message))
    return [f"{got_octets / sent_octets:.2f}", f"{got_wire / sent_wire:.2f}", f"{got / sent:.2f}"]


def received(udp):
    while True:
        try:
            yield udp.recv(65536)
        except BlockingIOError:
            return
