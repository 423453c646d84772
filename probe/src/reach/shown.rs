//! What a server's certificate says of itself, noted even when it is refused.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{GeneralName, X509Certificate};

/// The certificate that a handshake showed, once it did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shown(Arc<OnceLock<Leaf>>);

/// A server's own certificate.
#[derive(Debug)]
pub(crate) struct Leaf {
    /// In seconds of Unix time.
    pub(crate) not_before: i64,
    /// In seconds of Unix time.
    pub(crate) not_after: i64,
    /// DNS names and addresses it is for.
    pub(crate) names: Vec<String>,
    /// Who issued it, as the certificate says.
    pub(crate) issuer: String,
    /// It names itself as its issuer.
    pub(crate) is_self_signed: bool,
}

impl Shown {
    /// Notes the first certificate that can be read.
    pub(super) fn note(&self, certificate: &CertificateDer<'_>) {
        if let Ok((_, certificate)) = x509_parser::parse_x509_certificate(certificate) {
            self.0.get_or_init(|| Leaf::of(&certificate));
        }
    }

    pub(crate) fn leaf(&self) -> Option<&Leaf> {
        self.0.get()
    }

    /// When it expires, in seconds of Unix time.
    pub(crate) fn not_after(&self) -> Option<i64> {
        self.leaf().map(|leaf| leaf.not_after)
    }
}

impl Leaf {
    fn of(certificate: &X509Certificate<'_>) -> Self {
        let names = certificate.subject_alternative_name().ok().flatten();
        let names = names.into_iter().flat_map(|names| &names.value.general_names);
        Self {
            not_before: certificate.validity().not_before.timestamp(),
            not_after: certificate.validity().not_after.timestamp(),
            names: names.filter_map(name).collect(),
            issuer: certificate.issuer().to_string(),
            is_self_signed: certificate.issuer() == certificate.subject(),
        }
    }

    /// The names for a person: the first ones, and how many more.
    pub(crate) fn names_in_words(&self) -> String {
        let told = self.names.iter().take(NAMES_TOLD).map(String::as_str);
        let told = told.collect::<Vec<_>>().join(", ");
        match self.names.len() {
            0 => "no name at all".to_owned(),
            count if count > NAMES_TOLD => format!("{told} and {} more", count - NAMES_TOLD),
            _ => told,
        }
    }
}

fn name(general: &GeneralName<'_>) -> Option<String> {
    match general {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let address = v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
            address.ok().map(|address| address.to_string())
        }
        _ => None,
    }
}

/// An instant of a certificate, in seconds of Unix time, as RFC 3339. The last second of 9999, by which a certificate
/// says that it never ends, lies beyond what clocks are made for.
pub(crate) fn instant(at: i64) -> String {
    match jiff::Timestamp::from_second(at) {
        Ok(at) => at.to_string(),
        Err(_) => NEVER.to_owned(),
    }
}

/// What a certificate without an end says.
pub(crate) const NEVER: &str = "9999-12-31T23:59:59Z";
/// Of a certificate's names so many are told.
const NAMES_TOLD: usize = 3;
