#!/usr/bin/env python3
"""What truename is made of, from Cargo's own account of it.

    tests/supply/crates.py list    every crate in the program: crates.txt
    tests/supply/crates.py sbom    the same as a CycloneDX 1.5 document, JSON

Python 3 and cargo are enough. Both print to standard output; the same
Cargo.lock gives the same octets.
"""

import collections
import hashlib
import json
import pathlib
import re
import subprocess
import sys
import tomllib
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGETS = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"]
UNSAFE = re.compile(r"\bunsafe\s*(?:\{|fn|impl|trait|extern)")


def metadata():
    """Cargo's description of all packages, and who could depend on whom."""
    command = ["cargo", "metadata", "--locked", "--format-version", "1"]
    for target in TARGETS:
        command += ["--filter-platform", target]
    return json.loads(subprocess.check_output(command, cwd=ROOT))


def tree(edges):
    """Names and versions that are really compiled, with these kinds of edges."""
    found = set()
    for target in TARGETS:
        command = ["cargo", "tree", "--locked", "--target", target, "--edges", edges]
        command += ["--prefix", "none", "--no-dedupe", "--format", "{p}"]
        for line in subprocess.check_output(command, cwd=ROOT, text=True).splitlines():
            name, version = line.split()[:2]
            found.add((name, version.removeprefix("v")))
    return found


def reached(data):
    """The packages that are in the program (True) or only build it (False)."""
    packages = {package["id"]: package for package in data["packages"]}
    nodes = {node["id"]: node for node in data["resolve"]["nodes"]}
    everything, inside = tree("normal,build"), tree("normal,no-proc-macro")
    found = {}
    for package, this in packages.items():
        which = (this["name"], this["version"])
        if which in everything and package != data["resolve"]["root"]:
            found[package] = which in inside
    return packages, nodes, found


def features_of(package):
    """How much of its code is unsafe, in places where the word is."""
    source = pathlib.Path(package["manifest_path"]).parent
    count = 0
    for file in sorted(source.rglob("*.rs")):
        below = file.relative_to(source).parts
        if below[0] in ("tests", "benches", "examples", "fuzz") or below == ("build.rs",):
            continue
        for line in file.read_text(errors="replace").splitlines():
            code = line.split("//")[0]
            count += len(UNSAFE.findall(code))
    return count


def list_crates():
    packages, _, found = reached(metadata())
    rows = []
    for package, inside in found.items():
        this = packages[package]
        build = any("custom-build" in target["kind"] for target in this["targets"])
        macro = any("proc-macro" in target["kind"] for target in this["targets"])
        marks = ["in" if inside else "macro" if macro else "build"]
        count = features_of(this) if inside else 0
        if count:
            marks.append(f"unsafe:{count}")
        if build:
            marks.append("build.rs")
        if this.get("links"):
            marks.append(f"links:{this['links']}")
        rows.append(f"{this['name']} {this['version']} {' '.join(marks)}")
    print("\n".join(sorted(rows)))


def sbom():
    packages, nodes, found = reached(metadata())
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    checksums = {(p["name"], p["version"]): p.get("checksum") for p in lock["package"]}
    root = next(package for package in packages if packages[package]["name"] == "truename")

    def reference(package):
        this = packages[package]
        return f"pkg:cargo/{this['name']}@{this['version']}"

    def component(package, kind, inside=True):
        this = packages[package]
        entry = {
            "type": kind,
            "bom-ref": reference(package),
            "name": this["name"],
            "version": this["version"],
            "purl": reference(package),
            "scope": "required" if inside else "excluded",
        }
        if kind == "application":
            del entry["scope"]
        if this.get("license"):
            entry["licenses"] = [{"expression": this["license"].replace("/", " OR ")}]
        checksum = checksums.get((this["name"], this["version"]))
        if checksum:
            entry["hashes"] = [{"alg": "SHA-256", "content": checksum}]
        if this.get("repository"):
            entry["externalReferences"] = [{"type": "vcs", "url": this["repository"]}]
        return entry

    everything = sorted(found, key=reference)
    edges = collections.defaultdict(set)
    for package in [root, *everything]:
        for edge in nodes[package]["deps"]:
            kept = any(kind["kind"] != "dev" for kind in edge["dep_kinds"])
            if kept and edge["pkg"] in found:
                edges[reference(package)].add(reference(edge["pkg"]))
    # The same Cargo.lock has the same number.
    digest = hashlib.sha256((ROOT / "Cargo.lock").read_bytes()).digest()
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.UUID(bytes=digest[:16], version=4)}",
        "version": 1,
        "metadata": {"component": component(root, "application")},
        "components": [component(package, "library", found[package]) for package in everything],
        "dependencies": [
            {"ref": reference(package), "dependsOn": sorted(edges[reference(package)])}
            for package in [root, *everything]
        ],
    }
    json.dump(document, sys.stdout, indent=1, sort_keys=True)
    print()


if __name__ == "__main__":
    if sys.argv[1:] == ["list"]:
        list_crates()
    elif sys.argv[1:] == ["sbom"]:
        sbom()
    else:
        sys.exit(__doc__)
