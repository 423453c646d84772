//! Names to addresses, cold: every lookup asks a name server (or `/etc/hosts`), nothing is kept.
//!
//! getaddrinfo folds "no such name", "name server broken" and "no answer" into a few codes; here they are
//! apart, because they have different people to call.

mod aliases;

use std::net::IpAddr;
#[cfg(test)]
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

#[cfg(test)]
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::config::{ResolveHosts, ResolverOpts};
#[cfg(test)]
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::{Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::{Hosts, TokioResolver};
use isochrone_proto::kind::Family;
use isochrone_proto::measurement::{Cause, FailureCause, SendFailure};

use crate::error_text::ErrorText;

/// Resolves names over one family at a time. Shared by all checks; holds no answers.
#[derive(Debug)]
pub(crate) struct NameResolver {
    source: Source,
    built: Mutex<Option<Built>>,
}

/// A name that gave no address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResolveError {
    /// `Cause::Failed(FailureCause::NxDomain)`, `Cause::Failed(FailureCause::ServFail)`, `Cause::Failed(FailureCause::NoAddress)`, `Cause::Failed(FailureCause::DnsTimeout)` or
    /// `Cause::Unsent(SendFailure::NoRoute)`.
    pub cause: Cause,
    /// In the resolver's words.
    pub text: ErrorText,
}

#[derive(Debug)]
enum Source {
    /// `/etc/resolv.conf` and `/etc/hosts`.
    System,
    /// These name servers, without `/etc/hosts`.
    #[cfg(test)]
    Servers(Vec<SocketAddr>),
    /// These addresses for every name, at once.
    #[cfg(test)]
    Fixed(Vec<IpAddr>),
}

/// A resolver, as long as the files it was made from do not change.
#[derive(Clone)]
struct Built {
    stamp: [Option<(SystemTime, u64)>; 2],
    resolver: Arc<TokioResolver>,
    hosts: Arc<Hosts>,
}

impl NameResolver {
    /// Resolves as this machine does: `/etc/hosts`, then the name servers of `/etc/resolv.conf`. Both files
    /// are read again when they change.
    pub(crate) fn system() -> Self {
        Self {
            source: Source::System,
            built: Mutex::new(None),
        }
    }

    /// Asks these name servers over UDP, then TCP, and no hosts file.
    #[cfg(test)]
    pub(crate) fn with_servers(servers: Vec<SocketAddr>) -> Self {
        Self {
            source: Source::Servers(servers),
            built: Mutex::new(None),
        }
    }

    /// Gives these addresses for every name.
    #[cfg(test)]
    pub(crate) fn fixed(found: Vec<IpAddr>) -> Self {
        Self {
            source: Source::Fixed(found),
            built: Mutex::new(None),
        }
    }

    /// The addresses of `name` in `family`, in the answer's order; at least one.
    ///
    /// The name is taken as absolute: no search domain is tried, so no lookup ends at another's server.
    ///
    /// # Errors
    /// Says which way it failed. No overall time limit is set here: the caller's applies.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the query.
    pub(crate) async fn resolve(&self, name: &str, family: Family) -> Result<Vec<IpAddr>, ResolveError> {
        #[cfg(test)]
        if let Source::Fixed(found) = &self.source {
            return Ok(found.clone());
        }
        let absolute = absolute_name(name)?;
        let built = self.current()?;
        let (record, other) = match family {
            Family::V4 => (RecordType::A, RecordType::AAAA),
            Family::V6 => (RecordType::AAAA, RecordType::A),
        };
        match built.resolver.lookup(absolute.clone(), record).await {
            Ok(lookup) => {
                let found = lookup.answers().iter().filter_map(|record| record.data.ip_addr());
                let addresses: Vec<IpAddr> = found.filter(|found| family_of(*found) == family).collect();
                if addresses.is_empty() {
                    Err(aliases::explain(&built.resolver, no_address(name, family), (name, family)).await)
                } else {
                    Ok(addresses)
                }
            }
            Err(error) => {
                let listed = built
                    .hosts
                    .lookup_static_host(&Query::query(absolute, other))
                    .is_some();
                if listed && error.is_no_records_found() {
                    Err(no_address(name, family))
                } else {
                    let error = broken(name, family, &error);
                    Err(aliases::explain(&built.resolver, error, (name, family)).await)
                }
            }
        }
    }

    fn current(&self) -> Result<Built, ResolveError> {
        let stamp = match &self.source {
            Source::System => [RESOLV_CONF, HOSTS].map(file_stamp),
            #[cfg(test)]
            Source::Servers(_) | Source::Fixed(_) => [None, None],
        };
        let mut slot = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(built) = slot.as_ref().filter(|built| built.stamp == stamp) {
            return Ok(built.clone());
        }
        let (resolver, hosts) = self.build().map_err(|error| ResolveError {
            cause: Cause::Unsent(SendFailure::Local),
            text: ErrorText::new(&format!(
                "cannot set up name resolution from {RESOLV_CONF}: {error}"
            )),
        })?;
        let built = Built {
            stamp,
            resolver,
            hosts,
        };
        *slot = Some(built.clone());
        Ok(built)
    }

    fn build(&self) -> Result<(Arc<TokioResolver>, Arc<Hosts>), NetError> {
        let (mut builder, hosts) = match &self.source {
            Source::System => (
                TokioResolver::builder_tokio()?,
                Hosts::from_system().unwrap_or_default(),
            ),
            #[cfg(test)]
            Source::Servers(servers) => {
                let config =
                    ResolverConfig::from_name_servers(servers.iter().map(|at| name_server(*at)).collect());
                let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
                (builder, Hosts::default())
            }
            #[cfg(test)]
            Source::Fixed(_) => unreachable!("it was answered before"),
        };
        cold(builder.options_mut());
        let hosts = Arc::new(hosts);
        let mut resolver = builder.build()?;
        resolver.set_hosts(Arc::clone(&hosts));
        Ok((Arc::new(resolver), hosts))
    }
}

impl std::fmt::Debug for Built {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Built")
            .field("stamp", &self.stamp)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
fn name_server(at: SocketAddr) -> NameServerConfig {
    let with_port = |mut connection: ConnectionConfig| {
        connection.port = at.port();
        connection
    };
    let connections = vec![
        with_port(ConnectionConfig::udp()),
        with_port(ConnectionConfig::tcp()),
    ];
    NameServerConfig::new(at.ip(), true, connections)
}

fn cold(options: &mut ResolverOpts) {
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never; // set by hand: the same object answers `lookup_static_host`
    options.timeout = options.timeout.min(ATTEMPT_TIMEOUT);
    options.attempts = 2;
}

fn absolute_name(name: &str) -> Result<Name, ResolveError> {
    let mut absolute = Name::from_ascii(name).map_err(|error| ResolveError {
        cause: Cause::Failed(FailureCause::NxDomain),
        text: ErrorText::new(&format!("{name:?} cannot be a DNS name: {error}")),
    })?;
    absolute.set_fqdn(true);
    Ok(absolute)
}

fn no_address(name: &str, family: Family) -> ResolveError {
    ResolveError {
        cause: Cause::Failed(FailureCause::NoAddress),
        text: ErrorText::new(&format!("{name} has no {} address", family_name(family))),
    }
}

fn broken(name: &str, family: Family, error: &NetError) -> ResolveError {
    let cause = match error {
        _ if error.is_nx_domain() => Cause::Failed(FailureCause::NxDomain),
        NetError::Dns(DnsError::NoRecordsFound(none)) if none.response_code == ResponseCode::NoError => {
            return no_address(name, family);
        }
        NetError::Timeout => Cause::Failed(FailureCause::DnsTimeout),
        NetError::Io(io) if io.kind() == std::io::ErrorKind::NetworkUnreachable => {
            Cause::Unsent(SendFailure::NoRoute)
        }
        _ => Cause::Failed(FailureCause::ServFail),
    };
    let text = match (cause, error) {
        (Cause::Failed(FailureCause::NxDomain), _) => format!("{name} does not exist (NXDOMAIN)"),
        (Cause::Failed(FailureCause::ServFail), NetError::Dns(DnsError::ResponseCode(code))) => {
            format!("the name server answered {code} for {name}")
        }
        (Cause::Failed(FailureCause::DnsTimeout), _) => format!("no name server answered for {name}"),
        _ => format!("resolving {name}: {error}"),
    };
    ResolveError {
        cause,
        text: ErrorText::new(&text),
    }
}

/// The family of an address. An IPv4-mapped IPv6 address is IPv6 here, and refused by the address policy.
pub(crate) fn family_of(address: IpAddr) -> Family {
    if address.is_ipv4() { Family::V4 } else { Family::V6 }
}

/// `IPv4` or `IPv6`.
pub(crate) fn family_name(family: Family) -> &'static str {
    match family {
        Family::V4 => "IPv4",
        Family::V6 => "IPv6",
    }
}

fn file_stamp(path: &str) -> Option<(SystemTime, u64)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

const RESOLV_CONF: &str = "/etc/resolv.conf";
const HOSTS: &str = "/etc/hosts";
/// One attempt; the second still fits into a check's 5 s.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);

#[cfg(test)]
pub(crate) mod tests;
