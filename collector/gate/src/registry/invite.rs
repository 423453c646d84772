//! Making an invitation: its name, its token, and the text a worker pastes.

mod script;

use std::time::Duration;

use isochrone_base::names::{composed, is_name, slug};
use isochrone_base::place;
use isochrone_proto::limits::TEXT_BYTES_MAX;
use isochrone_proto::text::is_clean;
use isochrone_proto::units::UnixMillis;
use serde::Serialize;

use super::RegistryError;
use super::members::Members;
use super::record::{Access, ProbeSite};

pub(super) use self::script::script;

/// How long an invitation is valid, unless the lead says otherwise.
pub(crate) const VALID: Duration = Duration::from_secs(72 * 3_600);
/// Longest an invitation can be made to last.
const VALID_MAX: Duration = Duration::from_secs(365 * 86_400);
const NAME_MAX: usize = 63;

/// What the lead asks for.
#[derive(Clone, Debug, Default)]
pub struct NewInvitation {
    /// Who will run the probe.
    pub worker: String,
    /// `City, CC`.
    pub site: String,
    /// Degrees north and east; else the site's city is looked up.
    pub location: Option<(f64, f64)>,
    /// ISO 3166 code; else the city's.
    pub country: Option<String>,
    /// AS number.
    pub network: Option<u32>,
    /// What kind of line the server sits on.
    pub access: Access,
    /// The probe's name; else made from worker and city.
    pub name: Option<String>,
    /// How long the invitation is valid; else 72 hours.
    pub valid: Option<Duration>,
}

/// The answer to [`NewInvitation`], as `--format json` prints it. Holds the secret token: show it once.
#[derive(Clone, Serialize)]
pub struct Invitation {
    /// The line that `isochrone-probe join` takes.
    pub token: String,
    /// What the worker pastes on the server.
    pub script: String,
    /// When it ends: RFC 3339.
    pub expires: String,
    /// The name the probe will have.
    pub name: String,
    /// What the lead should look at before it is sent.
    pub notes: Vec<String>,
}

impl NewInvitation {
    /// Checks every value and finds the place.
    pub(super) fn place(&self) -> Result<ProbeSite, RegistryError> {
        let worker = composed(&self.worker);
        if !is_name(&worker) {
            return Err(RegistryError::WorkerForm { worker });
        }
        text("--site", &self.site)?;
        let found = place::find(&self.site);
        let country = found.as_ref().ok().map(|found| found.country.clone());
        let (latitude, longitude) = match (self.location, found) {
            (Some(given), _) => given,
            (None, Ok(found)) => {
                place::check_clear(&self.site).map_err(RegistryError::UnclearSite)?;
                (found.latitude, found.longitude)
            }
            (None, Err(unknown)) => return Err(RegistryError::UnknownSite(unknown)),
        };
        if !(-90.0..=90.0).contains(&latitude) || !(-180.0..=180.0).contains(&longitude) {
            return Err(RegistryError::Location { latitude, longitude });
        }
        Ok(ProbeSite {
            worker,
            site: composed(&self.site),
            latitude: latitude + 0.0, // -0 is 0
            longitude: longitude + 0.0,
            country: self
                .country
                .clone()
                .or(country)
                .or_else(|| place::country_in(&self.site)),
            network: self.network,
            access: self.access,
        })
    }

    /// What the lead should look at before the invitation is sent.
    pub(super) fn notes(&self, members: &Members, place: &ProbeSite) -> Vec<String> {
        let misfit = self
            .location
            .and_then(|(latitude, longitude)| place::misfit(&self.site, latitude, longitude));
        let misfit = misfit.map(|misfit| format!("{misfit}; if that is a slip, invite again"));
        let namesakes = place::find(&self.site).map_or(0, |found| found.namesakes);
        let largest = (self.location.is_none() && namesakes > 0).then(|| {
            format!(
                "{} is taken to be the largest of {} cities of that name; if another is meant, invite again with --location LAT,LON",
                self.site,
                namesakes + 1
            )
        });
        let there = members.standing_at(place).map(|there| {
            format!(
                "{} has a probe there, {there}; if this is for the same server, revoke that one once the new one has joined: isochrone-collector probe revoke {there}",
                place.worker
            )
        });
        misfit.into_iter().chain(largest).chain(there).collect()
    }

    pub(super) fn valid(&self) -> Result<Duration, RegistryError> {
        let valid = self.valid.unwrap_or(VALID);
        if valid.is_zero() || valid > VALID_MAX {
            return Err(RegistryError::Valid { valid });
        }
        Ok(valid)
    }

    /// The name asked for, or one made from worker and city that nobody has.
    pub(super) fn name(&self, members: &Members, now: UnixMillis) -> Result<String, RegistryError> {
        if let Some(name) = &self.name {
            if name.is_empty() || slug(name) != *name || name.len() > NAME_MAX {
                return Err(RegistryError::NameForm { name: name.clone() });
            }
            if members.is_taken(name, now) {
                return Err(RegistryError::NameTaken { name: name.clone() });
            }
            return Ok(name.clone());
        }
        let city = self.site.split(',').next().unwrap_or_default();
        let mut base = slug(&format!("{} {city}", self.worker));
        base.truncate(NAME_MAX - 6); // room for a number; a slug is ASCII
        if base.is_empty() {
            base.push_str("probe");
        }
        let numbered = (2..).map(|number| format!("{base}-{number}"));
        let mut names = std::iter::once(base.clone()).chain(numbered);
        let free = names.find(|name| !members.is_taken(name, now));
        Ok(free.expect("the numbers do not end before the probes do"))
    }
}

fn text(option: &'static str, value: &str) -> Result<(), RegistryError> {
    let bad = value.trim().is_empty() || value.len() > TEXT_BYTES_MAX || !is_clean(value);
    if bad {
        Err(RegistryError::Text { option })
    } else {
        Ok(())
    }
}
