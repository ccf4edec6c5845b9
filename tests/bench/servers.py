"""The servers that are measured: their settings are in `peers/`, their zone is made here.

Each has one worker on one core, minimal answers, no rate limit, no log of
queries, no DNSSEC.
"""

import os
import socket
import string
import sys
import time

import machine

ZONE = "dyn.example.org"


class Server:
    """One that runs: its name in the tables, its process, its port."""

    def __init__(self, name, process, port, directory):
        self.name, self.process, self.port, self.directory = name, process, port, directory

    @property
    def pid(self):
        return self.process.pid


def start(bench, name, command, directory, zone, core=machine.SERVER, **others):
    """Starts a peer on the settings `peers/NAME.conf` and a zone file."""
    directory = bench.folder(directory, name)
    port = machine.free_port()
    with open(os.path.join(machine.HERE, "peers", f"{name}.conf")) as file:
        text = string.Template(file.read()).substitute(
            port=port, directory=directory, zone=ZONE, file=zone)
    config = machine.write(directory, f"{name}.conf", text)
    process = bench.launch([word.format(config=config, directory=directory) for word in command],
                           directory, core, **others)
    return Server(name, process, port, directory)


def nsd(bench, directory, zone):
    return start(bench, "nsd", ["nsd", "-d", "-c", "{config}"], directory, zone)


def knot(bench, directory, zone):
    return start(bench, "knot", ["knotd", "-c", "{config}"], directory, zone)


def truename(bench, directory, zone):
    """Serves the zone file as it is: no hosts."""
    directory = bench.folder(directory, "truename")
    port = machine.free_port()
    os.makedirs(os.path.join(directory, "zones"), exist_ok=True)
    os.link(zone, os.path.join(directory, "zones", os.path.basename(zone)))
    config = machine.write(directory, "truename.toml", f"""
data = "data"
zones = ["zones"]
[dns]
listen = ["127.0.0.1:{port}"]
threads = 1
[http]
listen = ["127.0.0.1:{machine.free_port()}"]
""")
    process = bench.launch([bench.truename, "--config", config], directory)
    return Server("truename", process, port, directory)


def wait_for_answer(server, seconds=60):
    """Until it answers for the apex of the zone, which says that the zone is loaded."""
    question = b"\x12\x34\0\0\0\1\0\0\0\0\0\0\3dyn\7example\3org\0\0\6\0\1"
    end = time.monotonic() + seconds
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.2)
        client.connect(("127.0.0.1", server.port))
        while time.monotonic() < end and server.process.poll() is None:
            try:
                client.send(question)
                # No error, and one answer.
                answer = client.recv(4096)
                if answer[3] & 15 == 0 and answer[7] == 1:
                    return
            except OSError:
                pass
            time.sleep(0.05)
    sys.exit(f"{server.name} does not answer:\n{machine.words_of(server.process)}")
