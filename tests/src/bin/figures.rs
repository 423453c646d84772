//! Prints figures: `figures [PREFIX…|--all]`, a line each: `name value unit (how, machine)`. Without a prefix, all but
//! those that take several minutes.
//!
//! Exit codes: 0, 1 when a figure leaves its bound or cannot be taken, 2 when no figure has such a name.

use std::process::ExitCode;

use isochrone_tests::figures::{ALL, Figure, machine};

fn main() -> ExitCode {
    let prefixes: Vec<String> = std::env::args().skip(1).collect();
    let asked: Vec<Figure> = ALL
        .concat()
        .into_iter()
        .filter(|figure| figure.is_asked_for(&prefixes))
        .collect();
    if asked.is_empty() {
        eprintln!("no figure starts with {}; figures are:", prefixes.join(" or "));
        for name in ALL.concat().iter().flat_map(|figure| figure.names) {
            eprintln!("  {name}");
        }
        return ExitCode::from(2);
    }
    let machine = machine();
    let mut code = ExitCode::SUCCESS;
    for figure in asked {
        match (figure.measure)() {
            Ok(measured) => {
                for one in measured {
                    println!("{}", one.line(&machine));
                    if !one.holds() {
                        eprintln!("{} leaves its bound", one.name);
                        code = ExitCode::FAILURE;
                    }
                }
            }
            Err(error) => {
                eprintln!("cannot take {}: {error:#}", figure.names.join(", "));
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}
