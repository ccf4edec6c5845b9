"""Durable updates: dyndns2 over HTTP, each acknowledged after an fsync,
beside what fdatasync on the same disk gives."""

import json
import subprocess

import machine
import servers
from table import middle, of, spread, table

ENGINES = ["sled", "redb"]
# What the disk alone gives: 256 octets and an fdatasync, one writer.
BARE = {"overwrite": "fdatasync in place", "append": "fdatasync, growing file"}


def measure(bench):
    rounds, seconds = bench.choose("rounds", 3, 1), bench.choose("seconds", 5, 1)
    numbers = [4] if bench.smoke else [1, 16, 128]
    load = bench.compiled("load.rs")
    rows = {}
    running = {engine: start(bench, engine, max(numbers)) for engine in ENGINES}
    for _ in range(rounds):
        for kind, what in BARE.items():
            rows.setdefault((what, 1), []).append(run(load, kind, bench.directory, seconds))
        for clients in numbers:
            for engine, (address, token) in running.items():
                rows.setdefault((f"truename, {engine}", clients), []).append(
                    run(load, "http", address, token, clients, seconds))
    base = [rate for rate, *_ in rows[(BARE["overwrite"], 1)]]
    lines = []
    for (what, clients), results in rows.items():
        rates, p50, p99 = zip(*results)
        lines.append([what, str(clients), middle(rates), spread(rates), of(rates, base),
                      middle(p50), middle(p99)])
    table("Durable updates over HTTP",
          ["what", "clients", "updates/s, median", "lowest - highest", "of fdatasync in place",
           "p50 us", "p99 us"], lines, f"{rounds} rounds of {seconds:g} s")


def run(*words):
    """Changes a second, median and 99th percentile of the time each took in us."""
    said = machine.said_by([str(word) for word in words], core=None)
    return tuple(float(word) for word in said.split())


def start(bench, engine, hosts):
    directory = bench.folder(f"updates-{engine}")
    bench.folder(f"updates-{engine}", "zones")
    machine.write(directory, "zones/dyn.example.org.zone",
                  "$ORIGIN dyn.example.org.\n$TTL 60\n"
                  "@ SOA ns1 hostmaster 1 3600 600 604800 60\n@ NS ns1\nns1 A 192.0.2.53\n")
    port = machine.free_port()
    address = f"127.0.0.1:{machine.free_port()}"
    config = machine.write(directory, "truename.toml", f"""
data = "data"
store = "{engine}"
zones = ["zones"]
[dns]
listen = ["127.0.0.1:{port}"]
[http]
listen = ["{address}"]
""")
    process = bench.launch([bench.truename, "--config", config], directory, core=None)
    servers.wait_for_answer(servers.Server(f"truename on {engine}", process, port, directory))
    command = lambda *words: subprocess.run([bench.truename, "--config", config, "--json", *words],
                                            check=True, capture_output=True, text=True).stdout
    command("account", "add", "bench")
    token = json.loads(command("key", "add", "--account", "bench"))["value"]["token"]
    for n in range(hosts):
        command("host", "add", f"h{n}.dyn.example.org", "--owner", "bench", "--no-key")
    return address, token
