"""The servers that are measured: their settings are in `peers/`, their names are in `names.py`.

Each has one worker on one core, minimal answers, no rate limit, no log of
queries, no DNSSEC.
"""

import os
import random
import socket
import string
import sys
import time

import machine
import names

# What is asked of every server before it is measured.
SAMPLE = 200
# What peers share with those who sign their updates, in base64.
SECRET = "YmVuY2gtYmVuY2gtYmVuY2gtYmVuY2gtYmVuY2gtYmU="
# echo's datagrams a call: 16 and 64 are slower, 128 slower still.
ECHO_BATCH = 32


class Server:
    """One that runs: its name in the tables, its process, its port, its directory."""

    def __init__(self, name, process, port, directory):
        self.name, self.process, self.port, self.directory = name, process, port, directory

    @property
    def pid(self):
        return self.process.pid


# --- the peers -------------------------------------------------------------

COMMANDS = {
    "NSD": ["nsd", "-d", "-c", "{config}"],
    "Knot": ["knotd", "-c", "{config}"],
    "BIND": ["named", "-f", "-n", "1", "-U", "1", "-c", "{config}"],
    # It wants its settings under a name of its own choice.
    "PowerDNS": ["pdns_server", "--config-dir={directory}", "--config-name=powerdns"],
    "YADIFA": ["yadifad", "-c", "{config}"],
}
PEERS = list(COMMANDS)


def start(bench, name, command, place, zone, core=machine.SERVER):
    """Starts a peer in `place`/`name`, on a zone file and the settings in `peers/`.

    In the command, `{config}` is `NAME.conf`, `{directory}` where all its files are.
    """
    directory = bench.folder(place, name)
    port = machine.free_port()
    here = os.path.join(machine.HERE, "peers")
    for file in os.listdir(here):
        if file.split(".")[0] == name:
            with open(os.path.join(here, file)) as template:
                text = string.Template(template.read()).substitute(
                    port=port, directory=directory, zone=names.ZONE, file=zone, secret=SECRET)
            machine.write(directory, {"powerdns.conf": "pdns-powerdns.conf"}.get(file, file), text)
    words = [word.format(config=os.path.join(directory, f"{name}.conf"), directory=directory)
             for word in command]
    return Server(name, bench.launch(words, directory, core), port, directory)


def peer(bench, name, place, zone):
    server = start(bench, name.lower(), COMMANDS[name], place, zone)
    server.name = name
    return server


def echo(bench, *_):
    port = machine.free_port()
    command = [bench.compiled("echo.c"), str(port), str(ECHO_BATCH)]
    directory = bench.folder("echo")
    return Server("echo", bench.launch(command, directory), port, directory)


# --- truename --------------------------------------------------------------

def configuration(directory, engine, port, http, tcp_connections=None, rate_limit=""):
    """The file of a truename with one thread for queries, its zones in `zones/`."""
    return machine.write(directory, "truename.toml", f"""
data = "data"
store = "{engine}"
zones = ["zones"]
[dns]
listen = ["127.0.0.1:{port}"]
threads = 1
{f"tcp_connections = {tcp_connections}" if tcp_connections else ""}
[dns.rate_limit]
{rate_limit}

[hosts]
changes = 0

[http.limits]
requests = 0
network_connections = 1000000
connection_requests = 1000000

[http]
listen = ["127.0.0.1:{http}"]
""")


def truename(bench, place, zone=None, hosts=0, engine="sled", name="truename", tcp_connections=None,
             rate_limit=""):
    """Starts truename on a zone file, or on as many hosts beside the bare apex.

    Its directory is made once for each `name` in `place`, and used again.
    """
    directory = bench.folder(place, name)
    port = machine.free_port()
    config = configuration(directory, engine, port, machine.free_port(), tcp_connections, rate_limit)
    zones = os.path.join(directory, "zones")
    if not os.path.exists(zones):
        os.makedirs(zones)
        if zone:
            os.link(zone, os.path.join(zones, names.ZONE + ".zone"))
        else:
            names.write_zone(os.path.join(zones, names.ZONE + ".zone"), 0)
        if hosts:
            dump = os.path.join(directory, "hosts.dump")
            names.write_dump(dump, hosts)
            machine.said_by([bench.truename, "--config", config, "import", dump], core=None)
            os.remove(dump)
    begun = time.monotonic()
    server = Server(name, bench.launch([bench.truename, "--config", config], directory), port, directory)
    # What was prepared before is not part of its start.
    server.begun = begun
    server.process.patience = 120
    return server


# --- does it answer, and rightly -------------------------------------------

def wait_for_answer(server, count=0, seconds=180, every=0.05):
    """Until it answers rightly for the last of `count` names; how long that took.

    A server that answers without the zone, or with a part of it, is not ready.
    Without names it is asked for the zone's name server.
    """
    begun = time.monotonic()
    question = names.question(f"h{count - 1:07}", 1) if count else names.question("ns1", 1)
    wanted = names.v4(count - 1) if count else socket.inet_aton("192.0.2.53")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", server.port))
        while time.monotonic() - begun < seconds and server.process.poll() is None:
            client.settimeout(every)
            asked = time.monotonic()
            try:
                client.send(question)
                if names.read(client.recv(4096)) == (0, [wanted]):
                    return time.monotonic() - begun
            except OSError:
                pass
            time.sleep(max(0, asked + every - time.monotonic()))
    sys.exit(f"{server.name} does not answer:\n{machine.words_of(server.process)}")


def check(server, count):
    """Asks a sample of what will be asked, and compares every answer."""
    chance = random.Random(2)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.connect(("127.0.0.1", server.port))
        for _ in range(SAMPLE):
            n = chance.randrange(count)
            for label, kind, wanted in [
                    (f"h{n:07}", 1, (0, [names.v4(n)])), (f"h{n:07}", 28, (0, [names.v6(n)])),
                    (f"h{n:07}", 65, (0, [])), (f"x{n:07}", 1, (3, []))]:
                for edns in (False, True):
                    client.send(names.question(label, kind, edns))
                    got = names.read(client.recv(4096))
                    if got != wanted:
                        sys.exit(f"{server.name}: {label} type {kind}: {got} instead of {wanted}")
