"""The names every server has, as a zone file and as truename's hosts; questions for them.

h0000000, h0000001, ... below dyn.example.org, each with A and AAAA.
"""

import hashlib
import socket
import struct
import zlib

ZONE = "dyn.example.org"
APEX = """$ORIGIN dyn.example.org.
$TTL 60
@ SOA ns1 hostmaster 1 3600 600 604800 60
@ NS ns1
ns1 A 192.0.2.53
"""


def v4(n):
    return bytes([93]) + n.to_bytes(3, "big")


def v6(n):
    return bytes.fromhex("2a00000100000000") + n.to_bytes(8, "big")


def text4(n):
    return f"93.{n >> 16}.{n >> 8 & 255}.{n & 255}"


def text6(n):
    return f"2a00:1::{n >> 16:x}:{n & 0xffff:x}"


def write_zone(path, count):
    with open(path, "w") as file:
        file.write(APEX)
        for n in range(count):
            file.write(f"h{n:07} A {text4(n)}\nh{n:07} AAAA {text6(n)}\n")


def write_dump(path, count):
    """As many hosts with an owner, a key each, and the one report that brought the addresses."""
    crc = rows = 0
    with open(path, "w") as file:
        file.write("# truename dump 1\n")
        for row in dump_rows(count):
            crc = zlib.crc32(row.encode(), crc)
            file.write(row)
            rows += 1
        file.write(f"# end {rows} rows crc32 {crc:08x}\n")


def dump_rows(count):
    """In the order of their keys, as src/registry/rows.rs has them. Keys' digests are of no token."""
    at = lambda n: f'"{text4(n)},{socket.inet_ntop(socket.AF_INET6, v6(n))}"'
    yield 'account/bench\t{"v":1,"created":1000000}\n'
    for n in range(count):
        yield f'history/h{n:07}.{ZONE}/00\t[2,{n + 2},1000000,"-",{at(n)},"dyndns2","198.51.100.1"]\n'
    for n in range(count):
        yield (f'host/h{n:07}.{ZONE}\t[2,"bench",1000000,1,"present",{at(n)},1,'
               f'[1000000,"198.51.100.1","dyndns2"],null]\n')
    letters = "abcdefghijklmnopqrstuvwxyz"
    for n in range(count):
        identity = "".join(letters[n // 26 ** i % 26] for i in range(7, -1, -1))
        digest = hashlib.sha256(str(n).encode()).hexdigest()[:32]
        yield f'key/{identity}\t[2,"host","h{n:07}.{ZONE}","{digest}",1000000,null]\n'
    yield "meta/served\t1\n"
    yield f'meta/token-key\t"{"00" * 32}"\n'
    yield f'zone/{ZONE}\t{{"v":1,"serial":{count + 1},"digest":1,"ttl":60}}\n'


def question(label, kind, edns=False):
    name = b"".join(bytes([len(part)]) + part.encode() for part in f"{label}.{ZONE}".split("."))
    opt = bytes([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]) if edns else b""
    return struct.pack("!6H", 0x1234, 0, 1, 0, 0, edns) + name + struct.pack("!BHH", 0, kind, 1) + opt


def read(message):
    """The response code, and the data of the answers."""
    flags, questions, answers = struct.unpack_from("!3H", message, 2)
    at = 12
    for _ in range(questions):
        at = behind_name(message, at) + 4
    data = []
    for _ in range(answers):
        at = behind_name(message, at)
        length, = struct.unpack_from("!H", message, at + 8)
        data.append(message[at + 10:at + 10 + length])
        at += 10 + length
    return flags & 15, data


def behind_name(message, at):
    while message[at] and message[at] < 0xc0:
        at += 1 + message[at]
    return at + (2 if message[at] else 1)
