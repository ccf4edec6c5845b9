"""TSIG by dnspython, for tests: a line in, a line out, octets in hexadecimal.

    sign ALGORITHM KEY SECRET TIME FUDGE ORIGINAL-ID MESSAGE     the message, signed
    check ALGORITHM KEY SECRET REQUEST-MAC NOW MESSAGE...        ok, or what is wrong

Several messages are one stream, each signed over the one before.
"""

import sys

import dns.message
import dns.name
import dns.rdatatype
import dns.rdataclass
import dns.tsig
from dns.rdtypes.ANY.TSIG import TSIG


def key(algorithm, name, secret):
    return dns.tsig.Key(dns.name.from_text(name), bytes.fromhex(secret), algorithm)


def sign(algorithm, name, secret, time, fudge, original_id, message):
    shared = key(algorithm, name, secret)
    wire = bytes.fromhex(message)
    record = TSIG(dns.rdataclass.ANY, dns.rdatatype.TSIG, shared.algorithm,
                  int(time), int(fudge), b"", int(original_id), 0, b"")
    record, _ = dns.tsig.sign(wire, shared, record, int(time))
    data = record.to_wire()
    additional = int.from_bytes(wire[10:12], "big") + 1
    signed = wire[:10] + additional.to_bytes(2, "big") + wire[12:] + shared.name.to_wire()
    signed += bytes([0, 250, 0, 255, 0, 0, 0, 0]) + len(data).to_bytes(2, "big") + data
    return signed.hex()


def check(algorithm, name, secret, request_mac, now, *messages):
    shared = key(algorithm, name, secret)
    context = None
    several = len(messages) > 1
    prior = bytes.fromhex(request_mac.strip("-"))
    for message in messages:
        wire = bytes.fromhex(message)
        owner, record, start = found(wire)
        if owner != shared.name or record.algorithm != shared.algorithm:
            return "another key"
        if abs(record.time_signed - int(now)) > record.fudge:
            return "bad time"
        additional = int.from_bytes(wire[10:12], "big") - 1
        unsigned = wire[:10] + additional.to_bytes(2, "big") + wire[12:start]
        digest = dns.tsig._digest(unsigned, shared, record, None, prior, context, several)
        try:
            digest.verify(record.mac)
        except dns.tsig.BadSignature:
            return "bad signature"
        context = dns.tsig._maybe_start_digest(shared, record.mac, several)
    return f"ok error={record.error} other={record.other.hex()}"


def found(wire):
    """The owner, the data and the place of the TSIG record. What dnspython
    would say of the time and of errors is asked elsewhere, so that an answer
    with BADTIME is checked down to its MAC, too."""
    seen = []

    def validate(wire, key, owner, record, now, request_mac, start, context, several):
        seen.append((owner, record, start))

    dns.tsig.validate, kept = validate, dns.tsig.validate
    dns.message.from_wire(wire, keyring=lambda message, name: True)
    dns.tsig.validate = kept
    return seen[0]


for line in sys.stdin:
    command, *words = line.split()
    print({"sign": sign, "check": check}[command](*words), flush=True)
