//! What the test knows of each command: who runs it, its exit code, and a text that it must say.

/// A command that a document shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// Its line.
    pub(crate) line: &'static str,
    /// Who runs it.
    pub(crate) who: Who,
    /// What comes of it.
    pub(crate) code: i32,
    /// What its output holds, or the file that it writes; empty: it says nothing at all.
    pub(crate) says: &'static str,
    /// How it ends.
    pub(crate) ends: Ends,
}

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    /// By itself, with all that it has to say.
    Here,
    /// By itself; what it shows takes a while, so it is asked until it says so.
    Soon,
    /// With Ctrl-C, once it has said so.
    CtrlC,
}

/// Who runs a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// The lead, on their server.
    Lead,
    /// Every worker, on theirs.
    Workers,
    /// One worker.
    Worker,
    /// The worker of a server that is given up.
    Leaver,
    /// The lead, at their desk.
    Desk,
    /// The gate, as the step of this name in `.ci/run`.
    Gate(&'static str),
    /// Not this test by itself: the file that holds this text has it done.
    File(&'static str, &'static str),
}

/// What is known of the line.
pub(crate) fn of(line: &str) -> Option<&'static Step> {
    STEPS.iter().find(|step| step.line == line)
}

const fn step(who: Who, line: &'static str, says: &'static str) -> Step {
    Step {
        line,
        who,
        code: 0,
        says,
        ends: Ends::Here,
    }
}

const fn lead(line: &'static str, says: &'static str) -> Step {
    step(Who::Lead, line, says)
}

const fn soon(step: Step) -> Step {
    Step {
        ends: Ends::Soon,
        ..step
    }
}

/// Every command of the documents.
pub(crate) const STEPS: &[Step] = &[
    // README, Two commands
    step(
        Who::File("tests/tests/processes.rs", "\"up\", \"--demo\""),
        "cargo run --release -p isochrone-collector -- up --demo",
        "",
    ),
    step(
        Who::Gate("tests (the README's command)"),
        "cargo test --workspace",
        "",
    ),
    step(
        Who::Gate("release build"),
        "cargo build --release -p isochrone-collector -p isochrone-probe",
        "",
    ),
    lead(
        "target/release/isochrone-collector report coverage --sites docs/example/sites.csv --rtt docs/example/rtt.csv --nodes berlin,newyork,singapore,saopaulo",
        "saopaulo",
    ),
    // README, In production
    lead(
        "sudo install -m 755 target/release/isochrone-collector /usr/local/bin/",
        "",
    ),
    lead(
        "sudo useradd --system --home-dir /var/lib/isochrone-collector --shell /usr/sbin/nologin isochrone-collector",
        "",
    ),
    lead(
        "sudo install -d -o isochrone-collector -g isochrone-collector -m 750 /etc/isochrone",
        "",
    ),
    lead(
        "sudo install -o isochrone-collector -g isochrone-collector -m 640 deploy/collector.toml deploy/targets.toml /etc/isochrone/",
        "",
    ),
    lead("sudoedit /etc/isochrone/collector.toml", ""),
    lead("sudoedit /etc/isochrone/targets.toml", ""),
    lead(
        "sudo install -m 644 deploy/isochrone-collector.service /etc/systemd/system/",
        "",
    ),
    lead(
        "sudo systemctl daemon-reload && sudo systemctl enable --now isochrone-collector",
        "",
    ),
    lead("sudo ufw allow 7470/udp", "Rule added"),
    lead(INVITE, "isochrone-probe join isochrone1_"),
    // The lead: first day
    lead("sudo systemctl restart isochrone-collector", ""),
    lead(
        "sudo isochrone-collector target add berlin --url https://node.example.org/distributor/ --worker ada --place 'Berlin, DE' --asset 1343 --network 64500",
        "berlin",
    ),
    lead("sudo isochrone-collector probe list", "ada-berlin"),
    lead(
        "sudo isochrone-collector target set berlin --interval 5s",
        "berlin is changed",
    ),
    lead("sudo isochrone-collector target pause berlin", "berlin is paused"),
    lead(
        "sudo isochrone-collector target pause berlin --resume",
        "berlin is checked again",
    ),
    lead(REMOVE, "berlin is removed"),
    lead("sudo systemctl reload isochrone-collector", ""),
    lead(
        "sudo isochrone-collector probe invite --worker ada --site 'Berlin, DE' --valid 24h",
        "isochrone-probe join isochrone1_",
    ),
    lead(
        "sudo isochrone-collector probe revoke ada-berlin",
        "ada-berlin is revoked; its connection is closed",
    ),
    step(
        Who::Desk,
        FORWARD,
        "forwards 7471:127.0.0.1:7471 to lead.example.org",
    ),
    // The worker: join
    step(Who::Workers, "install -m 755 isochrone-probe /usr/local/bin/", ""),
    step(
        Who::Workers,
        "install -m 644 isochrone-probe.service /etc/systemd/system/",
        "",
    ),
    step(Who::Workers, "systemctl daemon-reload", ""),
    soon(step(Who::Workers, "isochrone-probe status", "connected to ")),
    step(
        Who::Worker,
        "isochrone-probe measure https://node.example.org/distributor/",
        "node.example.org",
    ),
    step(
        Who::Worker,
        "isochrone-probe measure https://node.example.org/distributor/ --connect",
        "node.example.org",
    ),
    step(Who::Leaver, "systemctl disable --now isochrone-probe", ""),
    // Who is down, and how Isochrone knows
    soon(lead(
        STATUS,
        "All is well: 2 of 2 nodes up, 3 of 3 probes connected.",
    )),
    lead(
        "sudo isochrone-collector report nodes --since 30d",
        "the rule as it stands would have sent",
    ),
    // Tokyo, 03:00?
    lead(
        "sudo isochrone-collector show tokyo --from 2026-11-22T02:50:00Z --to 2026-11-22T03:10:00Z",
        "refused in connect",
    ),
    // Reports
    lead(
        "sudo isochrone-collector import ndjson docs/example/pings.ndjson --as operators-ping --dry-run",
        "192 documents would be taken in, 0 known already, 1 would be refused",
    ),
    lead(
        "sudo isochrone-collector import ndjson docs/example/pings.ndjson --as operators-ping",
        "192 documents taken in, 0 known already, 1 refused",
    ),
    lead("sudo isochrone-collector import list", "prober-us"),
    lead(
        "sudo isochrone-collector import place prober-eu 'Berlin, DE'",
        "prober-eu stands in Berlin, DE",
    ),
    lead(
        "sudo isochrone-collector report nodes --since 10y",
        "imported from operators-ping",
    ),
    lead(
        "sudo isochrone-collector report coverage --imported",
        "imported, not ours",
    ),
    lead(
        "sudo isochrone-collector import remove prober-us",
        "Nothing was changed",
    ),
    lead(
        "sudo isochrone-collector import remove prober-us --confirm prober-us",
        ", removed.",
    ),
    lead("sudo isochrone-collector report nodes --since 7d", "berlin"),
    lead(
        "sudo isochrone-collector report nodes --since 15d --format html > nodes.html",
        "</html>",
    ),
    lead(
        "sudo isochrone-collector report nodes --from 2026-11-01T00:00:00Z --to 2026-11-16T00:00:00Z --format csv > term.csv",
        "berlin,",
    ),
    lead("sudo isochrone-collector report coverage --since 7d", "berlin"),
    lead(
        "sudo isochrone-collector report coverage --since 15d --format html > coverage.html",
        "</html>",
    ),
    lead(
        "sudo isochrone-collector report coverage --since 15d --weights weights.csv --format csv > regions.csv",
        "DE,",
    ),
    lead(
        "isochrone-collector report coverage --sites sites.csv --rtt rtt.csv --nodes berlin,tokyo --weights people",
        "tokyo",
    ),
    // Too many or too few nodes
    lead(
        "sudo isochrone-collector report count",
        "Too many or too few nodes",
    ),
    lead(
        "sudo isochrone-collector report count --since 30d --drop-ms 0.5 --add-ms 3 --format html > count.html",
        "</html>",
    ),
    lead(
        "isochrone-collector report count --sites sites.csv --rtt rtt.csv --nodes berlin,tokyo",
        "tokyo",
    ),
    // Where nodes should stand, and what another set would bring
    Step {
        code: 2, // these servers claim places all over the world and stand on one machine
        ..lead(
            "sudo isochrone-collector place -k 3 --fixed all",
            "times and places contradict each other as a whole",
        )
    },
    lead(
        "isochrone-collector place -k 3 --sites sites.csv --rtt rtt.csv --weights sites",
        "Where nodes should stand",
    ),
    Step {
        code: 2,
        ..lead(
            "sudo isochrone-collector what-if --add 'Lagos, NG' --remove tokyo",
            "times and places contradict each other as a whole",
        )
    },
    // Where sites stand
    lead("sudo isochrone-collector locate", "berlin"),
    lead(
        "sudo isochrone-collector locate --format html > locate.html",
        "</html>",
    ),
    lead("sudo isochrone-collector locate --sure berlin", "berlin"),
    lead(
        "isochrone-collector locate --sites sites.csv --rtt rtt.csv",
        "tokyo",
    ),
    // The ledger in plain words
    lead("sudo isochrone-collector ledger", "planned"),
    lead(
        "sudo isochrone-collector ledger --verify",
        "0 lost, 0 counted twice, 0 rows damaged",
    ),
    lead("sudo isochrone-collector ledger --format json", "\"schema\""),
    lead(
        "sudo isochrone-collector ledger --accept-damage all",
        "There is no damage",
    ),
    // Every measurement, for checking
    lead(
        "sudo isochrone-collector export ndjson --from 2026-11-22T02:50:00Z --to 2026-11-22T03:10:00Z > tokyo.ndjson",
        "\"slot\":",
    ),
    // Reading what is stored with other programs
    lead("sudo isochrone-collector store files", ""), // nothing is old enough
    lead("sudo isochrone-collector store files --tier hour", ""),
    lead(
        "sudo isochrone-collector store files --format json",
        "\"isochrone.files/1\"",
    ),
    step(
        Who::File(
            "tests/tests/segments.rs",
            "line_of_the_guide_reads_sealed_measurements_with_duckdb",
        ),
        "sudo isochrone-collector store files | grep /echo4-2026-11-22- | python3 -c \"import duckdb, sys; duckdb.sql('select probe, target, count(*) as runs, count(rtt_us) as answered, median(rtt_us) as rtt_us from read_parquet(\\$files) group by all order by all', params={'files': sys.stdin.read().split()}).show()\"",
        "",
    ),
    // Backup and restore
    lead("sudo systemctl stop isochrone-collector", ""),
    lead(
        "sudo sh -c 'umask 077; tar -C /var/lib -czf isochrone-backup.tar.gz isochrone-collector'",
        "",
    ),
    lead("sudo systemctl start isochrone-collector", ""),
    lead(
        "sudo mv /var/lib/isochrone-collector /var/lib/isochrone-collector.broken",
        "",
    ),
    lead("sudo tar -C /var/lib -xzf isochrone-backup.tar.gz", ""),
    // Upgrading, mixing versions, rolling back
    lead(
        "sudo sh -c 'umask 077; tar -C /var/lib -czf before-upgrade.tar.gz isochrone-collector'",
        "",
    ),
    lead(
        "sudo cp /usr/local/bin/isochrone-collector isochrone-collector.before",
        "",
    ),
    step(Who::Workers, "systemctl restart isochrone-probe", ""),
    lead(
        "sudo mv /var/lib/isochrone-collector /var/lib/isochrone-collector.newer",
        "",
    ),
    lead("sudo tar -C /var/lib -xzf before-upgrade.tar.gz", ""),
    lead(
        "sudo install -m 755 isochrone-collector.before /usr/local/bin/isochrone-collector",
        "",
    ),
    // When something looks wrong
    step(Who::Worker, STOP, ""),
    step(Who::Worker, "timedatectl set-ntp true", ""),
    lead("journalctl -u isochrone-collector", "collector"),
    // README, Commands
    Step {
        ends: Ends::CtrlC,
        ..step(Who::Desk, "isochrone-collector up", "http://127.0.0.1:7471")
    },
    step(
        Who::File("tests/tests/processes.rs", "\"up\", \"--demo\""),
        "isochrone-collector up --demo",
        "",
    ),
    step(
        Who::File(
            "deploy/isochrone-collector.service",
            "ExecStart=/usr/local/bin/isochrone-collector",
        ),
        "isochrone-collector serve",
        "",
    ),
    soon(lead(
        "isochrone-collector status",
        "All is well: 2 of 2 nodes up, 3 of 3 probes connected.",
    )),
    lead(
        "isochrone-collector probe invite --worker ada --site 'Berlin, DE'",
        "isochrone-probe join isochrone1_",
    ),
    lead("isochrone-collector probe list", "cleo-los-angeles"),
    lead(
        "isochrone-collector probe revoke ada-berlin",
        "ada-berlin was already revoked.",
    ),
    lead("isochrone-collector target list", "tokyo.example.org"),
    lead("isochrone-collector show tokyo --since 12h", "refused in connect"),
    lead("isochrone-collector report nodes --since 7d", "tokyo"),
    lead("isochrone-collector report coverage --since 7d", "tokyo"),
    lead("isochrone-collector report count", "Too many or too few nodes"),
    lead(
        "isochrone-collector gaps",
        "times and places contradict each other as a whole",
    ),
    lead("isochrone-collector locate", "berlin"),
    lead(
        "isochrone-collector ledger --verify",
        "0 lost, 0 counted twice, 0 rows damaged",
    ),
    lead("isochrone-collector export ndjson", "\"slot\":"),
    lead("isochrone-collector audit", "revoke"),
    lead("isochrone-collector store files", ""), // nothing is old enough
    Step {
        code: 1, // no cluster is named here; tests/tests/elasticsearch has real ones
        ..lead(
            "isochrone-collector elastic verify --since 1d",
            "no cluster is named",
        )
    },
    lead("isochrone-collector import list", "prober-eu"),
    step(
        Who::File("tests/tests/guide/story.rs", "said.text.contains(\"Joined as \")"),
        "isochrone-probe join TOKEN",
        "",
    ),
    step(
        Who::File(
            "deploy/isochrone-probe.service",
            "ExecStart=/usr/local/bin/isochrone-probe",
        ),
        "isochrone-probe run",
        "",
    ),
];

/// Prints a script, which a worker pastes.
pub(crate) const INVITE: &str =
    "sudo isochrone-collector probe invite --worker ada --site 'Berlin, DE' --network 64500";
/// Takes a node out.
pub(crate) const REMOVE: &str = "sudo isochrone-collector target remove berlin";
/// Stops a probe.
pub(crate) const STOP: &str = "systemctl stop isochrone-probe";
/// Is all well?
pub(crate) const STATUS: &str = "sudo isochrone-collector status";
/// Opens the page at the lead's desk.
pub(crate) const FORWARD: &str = "ssh -L 7471:127.0.0.1:7471 lead.example.org";
