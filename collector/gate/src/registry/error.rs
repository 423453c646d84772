//! Why the registry did not do what it was asked.

use std::time::Duration;

use isochrone_base::names::NAME_FORM;
use isochrone_store::StoreError;

use crate::authority::AuthorityError;

/// Why the registry did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The city is not in the table.
    #[error("--site: {0}")]
    UnknownSite(isochrone_base::place::UnknownPlace),
    /// A name that several cities of the country have.
    #[error("--site {0}; say which with --location LAT,LON beside it")]
    UnclearSite(#[source] isochrone_base::place::UnclearPlace),
    /// Not on Earth.
    #[error("--location {latitude},{longitude}: latitude must be -90 to 90, longitude -180 to 180")]
    Location {
        /// Degrees north.
        latitude: f64,
        /// Degrees east.
        longitude: f64,
    },
    /// Too short or too long.
    #[error("--valid {}: must be more than 0 and at most 365 days", humantime::format_duration(*valid))]
    Valid {
        /// As given.
        valid: Duration,
    },
    /// Empty, too long, or with characters that are not shown.
    #[error(
        "{option} must be text of 1 to 512 bytes, without control characters and such as are not seen or turn the direction of writing"
    )]
    Text {
        /// As it is written on the command line, `--name`.
        option: &'static str,
    },
    /// Not a worker's name as `targets.toml` takes it.
    #[error(
        "--worker {worker:?}: {NAME_FORM}, as in targets.toml: their probe is known as theirs by that name"
    )]
    WorkerForm {
        /// As given.
        worker: String,
    },
    /// Not a name.
    #[error(
        "--name {name:?}: a name has up to 63 lower-case letters, digits and single hyphens, like `ada-berlin`"
    )]
    NameForm {
        /// As given.
        name: String,
    },
    /// Names are unique for ever.
    #[error("--name {name}: a probe has or had this name, or an open invitation promises it; choose another")]
    NameTaken {
        /// As given.
        name: String,
    },
    /// A token without an address leads nowhere.
    #[error("no address to put into the token; set public_addresses = [\"HOST:7470\"] in collector.toml")]
    NoAddress,
    /// The authority cannot sign.
    #[error("the authority cannot sign")]
    Authority(#[from] AuthorityError),
    /// The store refuses.
    #[error("the store refuses")]
    Store(#[from] StoreError),
}
