//! Certificate authorities beside the system's, for where the collector itself opens TLS connections.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// Certificates of authorities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExtraRoots(Vec<CertificateDer<'static>>);

/// Why a file cannot give roots.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RootsError {
    /// Not readable.
    #[error("{file:?}: the file cannot be read: {reason}")]
    Unreadable {
        /// As written.
        file: String,
        /// The system's words.
        reason: String,
    },
    /// No PEM, or none of a certificate.
    #[error("{file:?}: the file holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)")]
    NoCertificate {
        /// As written.
        file: String,
    },
    /// A certificate that is broken.
    #[error("{file:?}: it holds a certificate that cannot be a root: {reason}")]
    NoRoot {
        /// As written.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// More files than anybody needs.
    #[error("{count} files: at most {FILES_MAX} are allowed")]
    TooMany {
        /// How many.
        count: usize,
    },
}

impl ExtraRoots {
    /// Reads PEM files; a path that is not absolute begins where `config` lies.
    pub(super) fn read(files: &[String], config: &Path) -> Result<Self, RootsError> {
        if files.len() > FILES_MAX {
            let count = files.len();
            return Err(RootsError::TooMany { count });
        }
        let folder = config.parent().unwrap_or(Path::new(""));
        let mut roots = Vec::new();
        for file in files {
            roots.extend(certificates(file, &folder.join(file))?);
        }
        Ok(Self(roots))
    }

    /// These and the system's, for a library that takes all roots at once; nothing where there are none of these: then
    /// the library's own do.
    #[must_use]
    pub fn with_the_systems(&self) -> Vec<CertificateDer<'static>> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let system = rustls_native_certs::load_native_certs();
        for error in &system.errors {
            tracing::warn!(%error, "some system root certificates cannot be read");
        }
        self.0.iter().cloned().chain(system.certs).collect()
    }
}

fn certificates(file: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, RootsError> {
    let file = || file.to_owned();
    let text = std::fs::read(path).map_err(|error| RootsError::Unreadable {
        file: file(),
        reason: error.to_string(),
    })?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found: Vec<CertificateDer<'static>> = match found {
        Ok(found) if !found.is_empty() => found,
        _ => return Err(RootsError::NoCertificate { file: file() }),
    };
    for root in &found {
        let added = RootCertStore::empty().add(root.clone());
        added.map_err(|error| RootsError::NoRoot {
            file: file(),
            reason: error.to_string(),
        })?;
    }
    Ok(found)
}

/// Most files.
const FILES_MAX: usize = 16;
