//! Whether a node can be as the file describes it.

use std::time::Duration;

use isochrone_base::names::{NAME_FORM, composed, is_name};
use isochrone_base::place::{self, UnknownPlace};
use isochrone_proto::kind::Family;
use isochrone_proto::limits::TEXT_BYTES_MAX;
use url::Url;

use super::{Node, NodeKind, RawNode};

/// Why a node cannot be: the key, its value, and what to write instead.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NodeError {
    /// No name.
    #[error("{key} = {value:?}: {NAME_FORM}")]
    NameForm {
        /// `node` or `worker`, or `name` of a candidate.
        key: &'static str,
        /// As written.
        value: String,
    },
    /// A name that another node has.
    #[error("node = {name:?}: another node has this name; names are unique")]
    NameTaken {
        /// As the second entry writes it.
        name: String,
    },
    /// A candidate's name that a node or another candidate has.
    #[error("name = {name:?}: a node or another candidate has this name; names are unique")]
    CandidateTaken {
        /// As written.
        name: String,
    },
    /// A candidate's host that a node or another candidate has.
    #[error(
        "url = {url:?}: {other:?} answers on this host, and a host stands at one place; take another server there, or remove one of the two"
    )]
    HostTaken {
        /// As written.
        url: String,
        /// Whose host it is.
        other: String,
    },
    /// No URL that can be asked.
    #[error("url = {url:?}: {wrong}")]
    Url {
        /// As written.
        url: String,
        /// In words that name the part that cannot be.
        wrong: UrlError,
    },
    /// No object.
    #[error(
        "asset = {asset:?}: an object's id is a number below 2^64 without a zero in front, such as \"1343\""
    )]
    Asset {
        /// As written.
        asset: String,
    },
    /// Too often or too rarely.
    #[error("interval = \"{}\": use 1s to 1day", humantime::format_duration(*interval))]
    Interval {
        /// As written.
        interval: Duration,
    },
    /// No families, or others than there are.
    #[error("families = \"{families:?}\": use [4], [6] or [4, 6]")]
    Families {
        /// As written.
        families: Vec<u8>,
    },
    /// A family that the address in the URL does not have.
    #[error(
        "families = \"{families:?}\": {host} is an address of IPv{has}: use [{has}], or a name in the url"
    )]
    FamilyOfAddress {
        /// As written.
        families: Vec<u8>,
        /// The URL's host.
        host: String,
        /// The family that it has.
        has: u8,
    },
    /// Not on Earth.
    #[error("latitude = \"{latitude}\": use -90 to 90")]
    Latitude {
        /// As written.
        latitude: f64,
    },
    /// Not on Earth.
    #[error("longitude = \"{longitude}\": use -180 to 180")]
    Longitude {
        /// As written.
        longitude: f64,
    },
    /// One of two coordinates.
    #[error("latitude = \"\": latitude and longitude go together")]
    HalfPosition,
    /// Neither place nor coordinates.
    #[error("place = \"\": write place = \"City, CC\", or latitude and longitude")]
    NoPlace,
    /// A place that is not in the table of cities.
    #[error("place = {place:?}: {unknown}")]
    UnknownPlace {
        /// As written.
        place: String,
        /// What the table says.
        unknown: UnknownPlace,
    },
}

/// What is wrong with a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// No URL.
    #[error(transparent)]
    Syntax(#[from] url::ParseError),
    /// Not of the web, or without a host.
    #[error("write a whole address, such as \"https://node.example.org/distributor/\"")]
    NotWhole,
    /// It holds a name or a password.
    #[error("leave name and password out: they would travel to every probe")]
    Secret,
    /// It does not fit into a plan.
    #[error("at most {TEXT_BYTES_MAX} bytes")]
    TooLong,
    /// A node's base URL with a query.
    #[error("leave out what follows '?': a node answers 400 to it")]
    Query,
    /// What browsers keep to themselves.
    #[error("leave out what follows '#': no server ever sees it")]
    Fragment,
    /// Port 0.
    #[error("nothing can listen on port 0; name the server's port")]
    Port,
    /// A name that DNS cannot hold.
    #[error("no name in DNS is so long: at most 63 letters between two points, 253 in all")]
    Host,
}

impl NodeError {
    /// The key whose value is wrong.
    pub(super) fn key(&self) -> &'static str {
        match self {
            Self::NameForm { key, .. } => key,
            Self::NameTaken { .. } => "node",
            Self::CandidateTaken { .. } => "name",
            Self::HostTaken { .. } | Self::Url { .. } => "url",
            Self::Asset { .. } => "asset",
            Self::Interval { .. } => "interval",
            Self::Families { .. } | Self::FamilyOfAddress { .. } => "families",
            Self::Latitude { .. } | Self::HalfPosition => "latitude",
            Self::Longitude { .. } => "longitude",
            Self::NoPlace | Self::UnknownPlace { .. } => "place",
        }
    }
}

impl TryFrom<RawNode> for Node {
    type Error = NodeError;

    fn try_from(raw: RawNode) -> Result<Self, NodeError> {
        let raw = RawNode {
            node: composed(&raw.node),
            worker: composed(&raw.worker),
            place: raw.place.as_deref().map(composed),
            ..raw
        };
        check_name("node", &raw.node)?;
        check_name("worker", &raw.worker)?;
        let (url, lacks_slash) = endpoint(raw.kind, &raw.url).map_err(|wrong| NodeError::Url {
            url: raw.url.clone(),
            wrong,
        })?;
        let (latitude, longitude, country) = position(raw.latitude, raw.longitude, raw.place.as_deref())?;
        let families = families(raw.families, &url)?;
        Ok(Self {
            name: raw.node,
            kind: raw.kind,
            url,
            lacks_slash,
            worker: raw.worker,
            place: raw.place.unwrap_or_default(),
            latitude,
            longitude,
            country,
            network: raw.network,
            buckets: raw.buckets,
            asset: raw.asset.map(asset).transpose()?,
            interval: raw.interval.map(interval).transpose()?,
            families,
            paused: raw.paused,
        })
    }
}

pub(super) fn check_name(key: &'static str, name: &str) -> Result<(), NodeError> {
    let value = name.to_owned();
    match is_name(name) {
        true => Ok(()),
        false => Err(NodeError::NameForm { key, value }),
    }
}

/// An object's id, in the only form that a node knows.
fn asset(asset: String) -> Result<String, NodeError> {
    match asset.parse::<u64>() {
        Ok(id) if id.to_string() == asset => Ok(asset),
        _ => Err(NodeError::Asset { asset }),
    }
}

fn interval(interval: Duration) -> Result<Duration, NodeError> {
    match (Duration::from_secs(1)..=Duration::from_secs(86_400)).contains(&interval) {
        true => Ok(interval),
        false => Err(NodeError::Interval { interval }),
    }
}

fn families(families: Option<Vec<u8>>, url: &Url) -> Result<Vec<Family>, NodeError> {
    let has = match url.host() {
        Some(url::Host::Ipv4(_)) => Some(4),
        Some(url::Host::Ipv6(_)) => Some(6),
        _ => None,
    };
    if let (Some(asked), Some(has)) = (&families, has)
        && asked
            .iter()
            .any(|family| *family != has && matches!(family, 4 | 6))
    {
        let (families, host) = (asked.clone(), url.host_str().unwrap_or_default().to_owned());
        return Err(NodeError::FamilyOfAddress { families, host, has });
    }
    match families.as_deref() {
        None => Ok(vec![default_family(url)]),
        Some([4]) => Ok(vec![Family::V4]),
        Some([6]) => Ok(vec![Family::V6]),
        Some([4, 6] | [6, 4]) => Ok(vec![Family::V4, Family::V6]),
        Some(_) => Err(NodeError::Families {
            families: families.unwrap_or_default(),
        }),
    }
}

fn default_family(url: &Url) -> Family {
    match url.host() {
        Some(url::Host::Ipv6(_)) => Family::V6,
        _ => Family::V4,
    }
}

/// The URL, and whether a slash was put at its end.
pub(super) fn endpoint(kind: NodeKind, text: &str) -> Result<(Url, bool), UrlError> {
    let mut url = Url::parse(text)?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(UrlError::NotWhole);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UrlError::Secret);
    }
    if text.len() > TEXT_BYTES_MAX {
        return Err(UrlError::TooLong);
    }
    if url.fragment().is_some() {
        return Err(UrlError::Fragment);
    }
    if url.port() == Some(0) {
        return Err(UrlError::Port);
    }
    if url.domain().is_some_and(|name| !fits_dns(name)) {
        return Err(UrlError::Host);
    }
    if kind != NodeKind::Argus {
        return Ok((url, false));
    }
    if url.query().is_some() {
        return Err(UrlError::Query);
    }
    let lacks_slash = !url.path().ends_with('/');
    if lacks_slash {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok((url, lacks_slash))
}

fn fits_dns(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name.len() <= 253 && name.split('.').all(|part| (1..=63).contains(&part.len()))
}

/// Degrees north and east, and the country, if the place says it.
pub(super) fn position(
    latitude: Option<f64>,
    longitude: Option<f64>,
    place: Option<&str>,
) -> Result<(f64, f64, Option<String>), NodeError> {
    match (latitude, longitude, place) {
        (Some(latitude), Some(_), _) if !(-90.0..=90.0).contains(&latitude) => {
            Err(NodeError::Latitude { latitude })
        }
        (Some(_), Some(longitude), _) if !(-180.0..=180.0).contains(&longitude) => {
            Err(NodeError::Longitude { longitude })
        }
        (Some(latitude), Some(longitude), named) => {
            let country = named.and_then(place::country_in);
            Ok((latitude + 0.0, longitude + 0.0, country)) // -0 is 0
        }
        (None, None, Some(named)) => {
            let found = place::find(named).map_err(|unknown| NodeError::UnknownPlace {
                place: named.to_owned(),
                unknown,
            })?;
            Ok((found.latitude, found.longitude, Some(found.country)))
        }
        (None, None, None) => Err(NodeError::NoPlace),
        _ => Err(NodeError::HalfPosition),
    }
}
