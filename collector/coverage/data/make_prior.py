#!/usr/bin/env python3
"""Makes prior.bin: public meshes of round-trip times, as old and noisy data to predict from.

    python3 make_prior.py FOLDER...   # each with sites.csv and rtt.csv

sites.csv: site, latitude, longitude. rtt.csv: source, destination, and one column of times in ms
(min_rtt_ms, p50_rtt_ms or rtt_ms). Both directions of a pair are one: the lower. Sites that lack more
than half of their pairs are left out, and names are not kept. Sources and licences: NOTICE.

Layout; integers are little-endian:

    "ISOPRIOR2" and a newline
    CRC-32 (u32, as zlib has it) of all that follows: a time with a flipped bit is as good a number as any
    length (u16) and text of the line that names the sources
    meshes (u16), then for each
      sites (u16)
      latitude and longitude of each (i32, 1/10000 degree)
      times (u16, 1/100 ms; 65535: not measured): site 1 with 0, 2 with 0 and 1, and so on
"""

import csv
import pathlib
import struct
import sys
import zlib

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = "RIPE Atlas anchors (2018) and AWS regions (2025)"
NOT_MEASURED = 65535


def mesh(folder):
    with open(folder / "sites.csv", encoding="utf-8", newline="") as file:
        sites = list(csv.DictReader(file))
    index = {site["site"]: at for at, site in enumerate(sites)}
    times = {}
    with open(folder / "rtt.csv", encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        column = next(c for c in ("min_rtt_ms", "p50_rtt_ms", "rtt_ms") if c in rows.fieldnames)
        for row in rows:
            a, b = sorted((index[row["source"]], index[row["destination"]]))
            if a != b:
                times[a, b] = min(float(row[column]), times.get((a, b), float("inf")))
    measured = [0] * len(sites)
    for pair in times:
        for site in pair:
            measured[site] += 1
    kept = [at for at in range(len(sites)) if measured[at] * 2 > len(sites)]
    parts = [struct.pack("<H", len(kept))]
    for at in kept:
        degrees = (float(sites[at][key]) for key in ("latitude", "longitude"))
        parts.append(struct.pack("<ii", *(round(value * 10000) for value in degrees)))
    for place, b in enumerate(kept):
        for a in kept[:place]:
            time = times.get((a, b))
            packed = NOT_MEASURED if time is None else min(round(time * 100), NOT_MEASURED - 1)
            parts.append(struct.pack("<H", packed))
    print(f"{folder.name}: {len(kept)} of {len(sites)} sites", file=sys.stderr)
    return b"".join(parts)


def main(folders):
    source = SOURCE.encode()
    parts = [struct.pack("<H", len(source)), source, struct.pack("<H", len(folders))]
    parts.extend(mesh(pathlib.Path(folder)) for folder in folders)
    body = b"".join(parts)
    packed = b"ISOPRIOR2\n" + struct.pack("<I", zlib.crc32(body)) + body
    (HERE / "prior.bin").write_bytes(packed)
    print(f"prior.bin: {len(packed)} bytes", file=sys.stderr)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1:])
