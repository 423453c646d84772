//! Isochrone's mathematics: sites, round-trip times and weights in, advice out.
//!
//! Pure: no clock, no store, no network; randomness is an argument. Usable by itself:
//!
//! ```
//! use isochrone_coverage::{files, report::{self, Options}, weights::Weights};
//! use rand::SeedableRng;
//!
//! let sites = files::FileText::new("sites.csv", "site,latitude,longitude\nber,52.5,13.4\npar,48.9,2.4\n");
//! let rtt = files::FileText::new("rtt.csv", "source,destination,min_rtt_ms\npar,ber,15.2\n");
//! let observations = files::read(&sites, &rtt, &["ber"])?;
//! let mut random = rand::rngs::StdRng::seed_from_u64(1);
//! let report = report::build(&observations, &Options::new(Weights::people()), &mut random)?;
//! println!("{:?}", report.classes[0].shares);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod cities;
pub mod country;
pub mod files;
#[cfg(any(test, feature = "testing"))]
#[allow(clippy::unwrap_used, reason = "helpers of tests may panic")]
pub mod fixture;
pub mod gaps;
pub mod geo;
pub mod histogram;
pub mod light;
pub mod locate;
pub mod names;
pub mod note;
pub mod observations;
pub mod predict;
pub mod report;
pub mod subdivision;
pub mod weights;

pub use report::count;
