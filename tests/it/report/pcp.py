"""A router that speaks PCP (RFC 6887) and no NAT-PMP: MAP for IPv4, no firewall."""

import socket
import struct
import sys

ADDRESS, OUTER = sys.argv[1:]
here = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
here.bind((ADDRESS, 5351))
print("r", end="", flush=True)
while True:
    request, client = here.recvfrom(1100)
    if request[0] != 2:
        # UNSUPP_VERSION, and which one would do (section 9).
        here.sendto(struct.pack("!BBBBII12x", 2, 0x80 | request[1], 0, 1, 0, 77), client)
        continue
    lifetime = struct.unpack("!I", request[4:8])[0]
    nonce, protocol, inner, outer = struct.unpack("!12sB3xHH", request[24:44])
    if lifetime:
        print(f"map {protocol} {outer or inner} {inner}", file=sys.stderr, flush=True)
    else:
        print(f"drop {protocol} {inner}", file=sys.stderr, flush=True)
    head = struct.pack("!BBBBII12x", 2, 0x81, 0, 0, lifetime, 77)
    mapped = bytes(10) + b"\xff\xff" + socket.inet_aton(OUTER)
    here.sendto(head + struct.pack("!12sB3xHH16s", nonce, protocol, inner, outer or inner, mapped), client)
