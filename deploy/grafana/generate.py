#!/usr/bin/env python3
"""Writes the dashboards of deploy/grafana/dashboards from the description below.

    python3 -m venv sdk && sdk/bin/pip install -r deploy/grafana/requirements.txt
    sdk/bin/python deploy/grafana/generate.py          # writes them
    sdk/bin/python deploy/grafana/generate.py --check  # exit 1: one is not what this writes
"""

import json
import pathlib
import sys

from grafana_foundation_sdk.builders import dashboard, elasticsearch, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import elasticsearch as words

# data sources: provisioning/datasources/isochrone.yaml, and the field of their time
ECHO, ENDPOINT, INCIDENT, LEDGER = "isochrone-echo", "isochrone-endpoint", "isochrone-incident", "isochrone-ledger"
TIMES = {ECHO: "slot", ENDPOINT: "slot", INCIDENT: "start", LEDGER: "hour"}
MICROSECONDS, SECONDS, COUNT = "µs", "s", "short"
FOLDER = pathlib.Path(__file__).parent / "dashboards"

# What each dashboard shows: title, data source, query, by which fields, which figures ("count", "min FIELD",
# "max FIELD", "sum FIELD", "p50,p90 FIELD", "distinct FIELD"), over time or in a table. A variable of the query narrows it to what is chosen.
CHOSEN = "probe:$probe AND target:$target"
DASHBOARDS = [
    {
        "uid": "isochrone-mesh",
        "title": "Isochrone: mesh",
        "says": "Echoes between probes: how far they are apart, and what was lost.",
        "chosen": ["probe", "target"],
        "source": ECHO,
        "panels": [
            ("Round trip by target", f"outcome:replied AND {CHOSEN}", ["target"], ["p50,p90 rtt_us"], "time"),
            ("Lost echoes by target", f'outcome:"timed-out" AND {CHOSEN}', ["target"], ["count"], "time"),
            (
                "Pairs of probes",
                f"outcome:replied AND {CHOSEN}",
                ["probe", "target"],
                ["count", "min rtt_us", "p50,p90 rtt_us"],
                "table",
            ),
            ("What became of echoes", CHOSEN, ["probe", "target", "outcome"], ["count"], "table"),
        ],
    },
    {
        "uid": "isochrone-nodes",
        "title": "Isochrone: nodes",
        "says": "Checks of nodes: whether and how fast they answer.",
        "chosen": ["probe", "target"],
        "source": ENDPOINT,
        "panels": [
            ("Checks by outcome", CHOSEN, ["outcome"], ["count"], "time"),
            (
                "First byte by node",
                f"outcome:ok AND _exists_:first_byte_us AND {CHOSEN}",
                ["target"],
                ["p50,p90 first_byte_us"],
                "time",
            ),
            ("Connection by node", f"outcome:ok AND {CHOSEN}", ["target"], ["p50,p90 connect_us"], "time"),
            ("Checks of each kind", CHOSEN, ["target", "kind", "outcome"], ["count"], "table"),
            ("Versions that answered", f"outcome:ok AND {CHOSEN}", ["target", "node_version"], ["count"], "table"),
        ],
    },
    {
        "uid": "isochrone-coverage",
        "title": "Isochrone: coverage",
        "says": "Which vantage reaches which node how fast, by its TCP connections. Shares of people are in "
        "`report coverage`: they need weights of places, which are not in Elasticsearch.",
        "chosen": ["probe", "target"],
        "source": ENDPOINT,
        "panels": [
            ("Fastest connection of each vantage", f"outcome:ok AND {CHOSEN}", ["probe"], ["min connect_us"], "time"),
            (
                "Connection from each vantage to each node",
                f"outcome:ok AND {CHOSEN}",
                ["probe", "target"],
                ["count", "min connect_us", "p50,p90 connect_us"],
                "table",
            ),
            (
                "Connections within 50 ms",
                f"outcome:ok AND connect_us:[0 TO 50000] AND {CHOSEN}",
                ["probe", "target"],
                ["count"],
                "table",
            ),
        ],
    },
    {
        "uid": "isochrone-incidents",
        "title": "Isochrone: incidents",
        "says": "Outages as the collector judged them, with how long they lasted; and below, what failed, where, and who saw it: "
        "one vantage alone is no incident.",
        "chosen": ["target"],
        "source": INCIDENT,
        "panels": [
            ("Incidents that began", "target:$target", ["target"], ["count"], "time"),
            ("Open incidents", "state:open AND target:$target", ["target", "check", "cause"], ["count"], "table"),
            (
                "Incidents, and how long",
                "state:over AND target:$target",
                ["target", "check", "cause"],
                ["count", "sum down_s", "max duration_s"],
                "table",
            ),
            ("Who saw them", "target:$target", ["target", "vantages"], ["count"], "table"),
            ("Failures by node", "outcome:failed AND target:$target", ["target"], ["count"], "time", ENDPOINT),
            (
                "Causes, and how many vantages see them",
                "outcome:failed AND target:$target",
                ["target", "phase", "cause"],
                ["count", "distinct probe"],
                "table",
                ENDPOINT,
            ),
        ],
    },
    {
        "uid": "isochrone-ledger",
        "title": "Isochrone: ledger",
        "says": "What became of every planned slot, by probe and hour: planned = run + skipped + absent; run = stored + spooled + "
        "dropped + refused + forked. An hour that still changes is written again within minutes.",
        "chosen": ["probe"],
        "source": LEDGER,
        "panels": [
            ("Planned slots", "probe:$probe", ["probe"], ["sum planned"], "time"),
            ("Stored measurements", "probe:$probe", ["probe"], ["sum stored"], "time"),
            ("Skipped slots", "probe:$probe", ["probe"], ["sum skipped"], "time"),
            ("Absent: nothing was heard", "probe:$probe", ["probe"], ["sum absent"], "time"),
            (
                "What became of them",
                "probe:$probe",
                ["probe"],
                ["sum planned", "sum run", "sum skipped", "sum absent", "sum stored"],
                "table",
            ),
            (
                "What is not stored",
                "probe:$probe",
                ["probe"],
                ["sum spooled", "sum dropped", "sum refused", "sum forked"],
                "table",
            ),
            ("How late echoes leave", "probe:$probe", ["probe"], ["p50,p99 lateness_us"], "time", ECHO),
        ],
    },
]


def reference(source):
    return models.DataSourceRef(type_val="elasticsearch", uid=source)


def metric(text, number):
    name, _, field = text.partition(" ")
    number = str(number)
    if name == "count":
        return elasticsearch.Count().id(number)
    simple = {"min": elasticsearch.Min, "max": elasticsearch.Max, "sum": elasticsearch.Sum}
    if name in simple:
        return simple[name]().id(number).field(field)
    if name == "distinct":
        return elasticsearch.UniqueCount().id(number).field(field)
    settings = elasticsearch.ElasticsearchPercentilesSettings()
    percents = [part.removeprefix("p") for part in name.split(",")]
    return elasticsearch.Percentiles().id(number).field(field).settings(settings.percents(percents))


def terms(field, number):
    settings = elasticsearch.ElasticsearchTermsSettings().size("500").min_doc_count("1")
    settings = settings.order(words.TermsOrder.ASC).order_by("_key")
    return elasticsearch.Terms().id(str(number)).field(field).settings(settings)


def over_time(number, figures, time):
    least = "0" if figures == ["count"] else "1"  # none is a count, and no time
    settings = elasticsearch.ElasticsearchDateHistogramSettings().interval("auto").min_doc_count(least)
    return elasticsearch.DateHistogram().id(str(number)).field(time).settings(settings)


def query(source, text, fields, figures, is_over_time):
    buckets = [terms(field, 100 + place) for place, field in enumerate(fields)]
    if is_over_time:
        buckets.append(over_time(200, figures, TIMES[source]))
    asked = elasticsearch.Dataquery().ref_id("A").datasource(reference(source)).query(text).time_field(TIMES[source])
    asked = asked.metrics([metric(figure, place + 1) for place, figure in enumerate(figures)])
    return asked.bucket_aggs(buckets)


def panel(source, title, text, fields, figures, how, of=None):
    source, is_over_time = of or source, how == "time"
    if source == ENDPOINT:
        text = f"{text} AND NOT candidate:true"  # places that might get a node are nobody's nodes
    is_of_times = any(figure.endswith("_us") for figure in figures)
    unit = MICROSECONDS if is_over_time and is_of_times else COUNT
    made = timeseries.Panel() if is_over_time else table.Panel()
    made = made.title(title).datasource(reference(source)).unit(unit).height(9).span(12)
    if is_over_time:
        made = made.draw_style(common.GraphDrawStyle.LINE).show_points(common.VisibilityMode.AUTO).min(0)
    elif any(figure.endswith("_s") for figure in figures):
        made = made.override_by_regexp("(Sum|Max)( .*)?", [models.DynamicConfigValue(id_val="unit", value=SECONDS)])
    elif is_of_times:
        # counts stand beside times in one table: by the names that Grafana gives the columns
        by_time = [models.DynamicConfigValue(id_val="unit", value=MICROSECONDS)]
        made = made.override_by_regexp("(Min|p[0-9.]+)( .*)?", by_time)
    return made.with_target(query(source, text, fields, figures, is_over_time))


def variable(source, field):
    asked = json.dumps({"find": "terms", "field": field})
    made = dashboard.QueryVariable(field).label(field).datasource(reference(source)).query(asked)
    made = made.multi(True).include_all(True).all_value("*").refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
    everything = models.VariableOption(selected=True, text="All", value="$__all")
    return made.current(everything)


def built(described):
    made = dashboard.Dashboard(described["title"]).uid(described["uid"]).description(described["says"])
    made = made.tags(["isochrone"]).readonly().time("now-24h", "now").refresh("1m").timezone("utc")
    for field in described["chosen"]:
        made = made.with_variable(variable(described["source"], field))
    for each in described["panels"]:
        made = made.with_panel(panel(described["source"], *each))
    return JSONEncoder(sort_keys=True, indent=2, ensure_ascii=False).encode(made.build()) + "\n"


def main():
    wanted = {f"{described['uid']}.json": built(described) for described in DASHBOARDS}
    found = {file.name: file.read_text(encoding="utf-8") for file in FOLDER.glob("*.json")}
    stale = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    if sys.argv[1:] == ["--check"]:
        for name in stale:
            print(f"{FOLDER / name} is not what generate.py writes; run it without --check", file=sys.stderr)
        return 1 if stale else 0
    for name in stale:
        if name in wanted:
            (FOLDER / name).write_text(wanted[name], encoding="utf-8")
        else:
            (FOLDER / name).unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
