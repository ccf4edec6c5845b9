"""From `good` to the first question that sees the new address."""

from parts.updates import ENGINES, run, start
import machine
from table import table


def measure(bench):
    clients, count = (4, 200) if bench.smoke else (16, 100_000)
    load = bench.compiled("load.rs")
    rows = []
    for engine in ENGINES:
        server = start(bench, engine, clients, "lateness")
        asked, late = run(load, "late", server.http, server.token, f"127.0.0.1:{server.port}", clients, count)
        rows.append([server.name, f"{asked:,.0f}", f"{late:,.0f}"])
        machine.stop(server.process)
    table("Questions right after `good`", ["what", "updates, each with a question", "old addresses seen"], rows,
          f"{clients} clients; a question is sent once the last octet of `good` is read")
