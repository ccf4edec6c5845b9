"""100,000 leases that end in the same second: what queries and updates notice."""

import json
import os
import time
import zlib

import machine
import servers
from parts.busy import ASKED, NAMES, RATE, REPORTERS, alone, ask, figures, report
from parts.updates import ENGINES, start
from table import table

LEASES = 100_000


def measure(bench):
    """The same second for all: before it, and the seconds around it."""
    leases, names = (1000, 100) if bench.smoke else (LEASES, NAMES)
    load, queries = bench.compiled("load.rs"), bench.compiled("queries.c")
    rows = []
    for engine in ENGINES:
        server = start(bench, engine, REPORTERS, "expiry", names)
        span = 1 if bench.smoke else 10
        # Loading, the window before, and half of the window of the end.
        ends = 3 * span + 2
        begun = lease_all(bench, server, leases, ends)
        alone(server)
        for what in "before", "while they end":
            if what != "before":
                time.sleep(max(0, begun + ends - span / 2 - time.monotonic()))
            reports = report(load, server, span)
            said = ask(queries, server, names, span, ASKED)
            rate, p50, p99, most = figures(reports)
            rows.append([f"{server.name}, {what}", f"{said['p50']:,.0f}", f"{said['p99']:,.0f}",
                         f"{said['most']:,.0f}", f"{p50:,.0f}", f"{p99:,.0f}", f"{most:,.0f}",
                         f"{present(server):,}"])
        machine.stop(server.process)
    table(f"{leases:,} leases end in the same second",
          ["what", "queries: p50 us", "p99 us", "longest us", "updates: p50 us", "p99 us", "longest us",
           "hosts in the DNS after"], rows,
          f"windows of {span} s with {ASKED:,} queries and {RATE:,} updates a second")


def lease_all(bench, server, leases, ends):
    """Starts the server anew with so many hosts more, whose leases end so many seconds
    after its clock began; when that was."""
    dump = os.path.join(server.directory, "dump")
    server.command("export", dump)
    machine.stop(server.process)
    with open(dump) as file:
        head, *rows, _ = file.read().splitlines()
    # The shortest lease is a minute, so the server is an hour old.
    served = 3600
    rows = [f"meta/served\t{served}" if row.startswith("meta/served\t") else row for row in rows]
    host = json.dumps({"v": 1, "lease": "60s", "created": 0, "changes": 0, "presence": {
        "present": {"at": {"v4": "192.0.2.7"}, "heard": served + ends - 60}}})
    rows += [f"host/lease{n:06}.dyn.example.org\t{host}" for n in range(leases)]
    rows.sort(key=lambda row: row.split("\t")[0].encode())
    text = "".join(row + "\n" for row in rows).encode()
    with open(dump, "wb") as file:
        file.write(head.encode() + b"\n" + text)
        file.write(f"# end {len(rows)} rows crc32 {zlib.crc32(text):08x}\n".encode())
    os.rename(os.path.join(server.directory, "data"), os.path.join(server.directory, "data.before"))
    server.command("import", dump)
    server.process = bench.launch(server.process.args[-3:], server.directory, core=None)
    servers.wait_for_answer(server)
    # When its clock began, to a few milliseconds: just now it showed another second.
    uptime = lambda: json.loads(server.command("status"))["value"]["uptime"]
    first = uptime()
    while (now := uptime()) == first:
        pass
    return time.monotonic() - now


def present(server):
    return json.loads(server.command("status"))["value"]["present"]
