"""Durable updates: dyndns2 and DuckDNS over HTTP and signed RFC 2136 over UDP, each acknowledged
after an fsync, beside RFC 2136 to BIND and Knot from as many clients, signed and not,
and beside what the disk gives."""

import base64
import json
import os
import subprocess

import machine
import names
import servers
from table import middle, of, spread, table

ENGINES = ["sled", "redb"]
# Of what truename writes down for an update, the host's row and the change's.
RECORD = 450


def measure(bench):
    rounds, seconds = bench.choose("rounds", 5, 1), bench.choose("seconds", 4, 1)
    numbers = [4] if bench.smoke else [1, 16, 64]
    load = bench.compiled("load.rs")
    ours = {f"truename, {engine}": start(bench, engine, max(numbers)) for engine in ENGINES}
    peers = {"BIND": bind(bench, max(numbers)), "Knot": knot(bench, max(numbers))}
    results = {}
    for _ in range(rounds):
        for clients in numbers:
            def turn(what, *words):
                results.setdefault((what, clients), []).append(run(load, *words))
            turn("one fdatasync", "overwrite", bench.directory, seconds)
            turn("the disk's group commit", "group", bench.directory, clients, RECORD, seconds)
            for name, server in ours.items():
                turn(name, "http", server.http, server.token, "good", clients, seconds)
                turn(f"{name}, DuckDNS", "http", server.http, server.token, "duckdns", clients, seconds)
                turn(f"{name}, RFC 2136 signed", "signed", *shared(server), clients, seconds)
            for name, server in peers.items():
                turn(name, "update", f"127.0.0.1:{server.port}", clients, seconds)
                turn(f"{name}, signed", "signed", *shared(server), clients, seconds)
    for clients in numbers:
        rows = []
        rivals = [row for name in peers for row in (name, f"{name}, signed")]
        own = [row for name in ours for row in (name, f"{name}, DuckDNS", f"{name}, RFC 2136 signed")]
        for what in ["the disk's group commit", *rivals, *own]:
            rates, p50, p99, _ = zip(*results[what, clients])
            base = lambda other: [rate for rate, *_ in results[other, clients]]
            fsync = [p50 for _, p50, *_ in results["one fdatasync", clients]]
            rows.append([what, middle(rates), spread(rates), of(rates, base("the disk's group commit")),
                         of(rates, base("BIND")), of(rates, base("Knot")), middle(p50),
                         of(p50, fsync), middle(p99)])
        table(f"Durable updates, {clients} clients",
              ["what", "updates/s, median", "lowest - highest", "of the disk's", "of BIND", "of Knot",
               "p50 us", "p50 in fdatasyncs", "p99 us"],
              rows, f"{rounds} rounds of {seconds:g} s")
    for server in [*ours.values(), *peers.values()]:
        machine.stop(server.process)


def shared(server):
    """A server's address over UDP, and the key it shares with us: its name, its secret in hexadecimal."""
    return f"127.0.0.1:{server.port}", server.key, base64.b64decode(server.secret).hex()


def run(*words):
    """Changes a second; median, 99th percentile and longest of the time each took in us."""
    said = machine.said_by([str(word) for word in words], core=None)
    return tuple(float(word) for word in said.split())


def start(bench, engine, hosts, folder="updates", fixed=0):
    """truename with hosts h0, h1, ... and a token for all of them, and so many fixed names."""
    directory = bench.folder(f"{folder}-{engine}")
    bench.folder(f"{folder}-{engine}", "zones")
    zone(directory, "zones/dyn.example.org.zone", fixed=fixed)
    server = servers.Server(f"truename on {engine}", None, machine.free_port(), directory)
    http = machine.free_port()
    server.http = f"127.0.0.1:{http}"
    config = servers.configuration(directory, engine, server.port, http)
    server.process = bench.launch([bench.truename, "--config", config], directory, core=None)
    servers.wait_for_answer(server)
    server.command = lambda *words: subprocess.run(
        [bench.truename, "--config", config, "--json", *words],
        check=True, capture_output=True, text=True).stdout
    server.command("account", "add", "bench")
    key = json.loads(server.command("key", "add", "--account", "bench"))
    server.token = key["value"]["token"]
    server.key = key["value"]["key"]["id"]
    server.secret = json.loads(server.command("key", "secret", server.key, "--for", "tsig"))["value"]["secret"]
    for n in range(hosts):
        server.command("host", "add", f"h{n}.dyn.example.org", "--owner", "bench", "--no-key")
    return server


def zone(directory, name, hosts=0, fixed=0):
    """A zone file with the names h0, h1, ... that are to be moved, and with those to be asked for."""
    path = os.path.join(directory, name)
    names.write_zone(path, fixed)
    with open(path, "a") as file:
        file.writelines(f"h{n} A 192.0.2.1\n" for n in range(hosts))
    return path


def bind(bench, hosts):
    file = zone(bench.folder("updates-bind"), "zone", hosts)
    server = servers.start(bench, "bind-updates", ["named", "-f", "-c", "{config}"], "updates-bind", file, core=None)
    server.key, server.secret = "bench", servers.SECRET
    servers.wait_for_answer(server)
    return server


def knot(bench, hosts):
    file = zone(bench.folder("updates-knot"), "zone", hosts)
    server = servers.start(bench, "knot-updates", ["knotd", "-c", "{config}"], "updates-knot", file, core=None)
    server.key, server.secret = "bench", servers.SECRET
    servers.wait_for_answer(server)
    return server
