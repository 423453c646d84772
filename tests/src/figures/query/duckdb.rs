//! The same question asked of DuckDB, in a process of its own that stays warm.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use isochrone_store::{Store, Tier};

/// Names a Python that has DuckDB, as for the tests.
pub(super) const PYTHON: &str = "ISOCHRONE_DUCKDB";

/// Answers each line with the seconds that the question took, and what came of it.
const PROGRAM: &str = r"
import sys, time, duckdb
question = sys.argv[1]
connection = duckdb.connect()
connection.execute('set enable_progress_bar = false')
for _ in sys.stdin:
    began = time.perf_counter()
    rows = connection.execute(question).fetchall()
    took = time.perf_counter() - began
    sums = [sum(row[5][place] for row in rows) for place in range(3)]
    print(took, len(rows), sum(row[3] for row in rows), sum(row[4] for row in rows), *sums, flush=True)
";

/// What comes of the question, added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) hours: u64,
    pub(super) runs: u64,
    pub(super) answered: u64,
    /// p50, p95 and p99.
    pub(super) percentiles_us: [u64; 3],
}

/// The process.
pub(super) struct DuckDb {
    child: Child,
    asks: ChildStdin,
    says: BufReader<ChildStdout>,
}

impl DuckDb {
    /// Starts it over the files of a store; `None`: there is no Python that has DuckDB.
    pub(super) fn start(store: &Store) -> Result<Option<Self>> {
        let python = std::env::var(PYTHON).unwrap_or_else(|_| "python3".to_owned());
        let looked = Command::new(&python).args(["-c", "import duckdb"]).output();
        if !looked.is_ok_and(|looked| looked.status.success()) {
            return Ok(None);
        }
        let files = store.segment_files(Tier::Raw)?;
        let files: Vec<String> = files
            .iter()
            .map(|file| format!("'{}'", file.path.display()))
            .collect();
        let question = format!(
            "select kind, target_id, epoch_ms(slot) // 3600000 as hour, count(*), count(rtt_us), \
             quantile_disc(rtt_us, [0.5, 0.95, 0.99]) filter (where not suspect) \
             from read_parquet([{}]) group by kind, target_id, hour",
            files.join(",")
        );
        let mut child = Command::new(python)
            .args(["-c", PROGRAM, &question])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let asks = child.stdin.take().context("its input is a pipe")?;
        let says = child.stdout.take().context("its output is a pipe")?;
        Ok(Some(Self {
            child,
            asks,
            says: BufReader::new(says),
        }))
    }

    /// Asks; how long that took, in seconds, and what came of it.
    pub(super) fn ask(&mut self) -> Result<(f64, Answer)> {
        self.asks.write_all(b"\n")?;
        let mut line = String::new();
        self.says.read_line(&mut line)?;
        let mut words = line.split_whitespace();
        let took = words.next().context("DuckDB ended")?.parse()?;
        let numbers: Vec<u64> = words.map(str::parse).collect::<Result<_, _>>()?;
        ensure!(numbers.len() == 6, "DuckDB says {line:?}");
        let answer = Answer {
            hours: numbers[0],
            runs: numbers[1],
            answered: numbers[2],
            percentiles_us: [numbers[3], numbers[4], numbers[5]],
        };
        Ok((took, answer))
    }
}

impl Drop for DuckDb {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to do.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
