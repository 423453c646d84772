//! Prints the coverage report of two files: `coverage SITES RTT NODE,NODE,… [text|json|html|md|csv] [people|sites|FILE]`.

use std::path::Path;

use isochrone_coverage::files::{self, FileText};
use isochrone_coverage::report::{self, Options};
use isochrone_coverage::weights::Weights;
use isochrone_report::Printed as _;
use rand::SeedableRng as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [sites, rtt, nodes, rest @ ..] = arguments.as_slice() else {
        return Err(
            "usage: coverage SITES RTT NODE,NODE,… [text|json|html|md|csv] [people|sites|FILE]".into(),
        );
    };
    let nodes: Vec<&str> = nodes.split(',').collect();
    let observations = files::read(
        &FileText::load(Path::new(sites))?,
        &FileText::load(Path::new(rtt))?,
        &nodes,
    )?;
    let weights = match rest.get(1).map(String::as_str) {
        None | Some("people") => Weights::people(),
        Some("sites") => Weights::sites(),
        Some(file) => Weights::from_file(&FileText::load(Path::new(file))?)?,
    };
    let mut random = rand::rngs::StdRng::seed_from_u64(1);
    let report = report::build(&observations, &Options::new(weights), &mut random)?;
    match rest.first().map(String::as_str) {
        Some("json") => println!("{}", serde_json::to_string_pretty(&report.json())?),
        Some("html") => print!("{}", report.html()),
        Some("md") => print!("{}", report.markdown()),
        Some("csv") => print!("{}", report.csv()),
        _ => print!("{}", report.text(100)),
    }
    Ok(())
}
