//! The authority's three files: written whole or not at all, keys readable by their owner only.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use isochrone_base::files::replace;
use isochrone_proto::control::CertificateDer;
use rcgen::KeyPair;
use rustls::pki_types::pem::PemObject;

use super::{AuthorityError, key_from_pkcs8};

/// The files' places.
pub(super) struct Files {
    folder: PathBuf,
}

/// What was there.
pub(super) struct Kept {
    pub(super) key: Option<KeyPair>,
    pub(super) certificate: Option<CertificateDer>,
    pub(super) collector: Option<KeyPair>,
}

impl Files {
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    pub(super) fn load(&self) -> Result<Kept, AuthorityError> {
        let certificate = match self.read("authority.pem")? {
            None => None,
            Some(pem) => {
                let der = rustls::pki_types::CertificateDer::from_pem_slice(&pem);
                let der = der.map_err(|_| self.malformed("authority.pem"))?;
                Some(CertificateDer(der.to_vec()))
            }
        };
        Ok(Kept {
            key: self.key("authority.key")?,
            certificate,
            collector: self.key("collector.key")?,
        })
    }

    pub(super) fn keep_authority_key(&self, key: KeyPair) -> Result<KeyPair, AuthorityError> {
        self.write("authority.key", &key.serialize_pem(), 0o600)?;
        Ok(key)
    }

    pub(super) fn keep_collector_key(&self, key: KeyPair) -> Result<KeyPair, AuthorityError> {
        self.write("collector.key", &key.serialize_pem(), 0o600)?;
        Ok(key)
    }

    pub(super) fn keep_certificate(&self, certificate: &CertificateDer) -> Result<(), AuthorityError> {
        let body = data_encoding::BASE64.encode(&certificate.0);
        let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
        for start in (0..body.len()).step_by(64) {
            pem.push_str(&body[start..(start + 64).min(body.len())]); // base64 is ASCII
            pem.push('\n');
        }
        pem.push_str("-----END CERTIFICATE-----\n");
        self.write("authority.pem", &pem, 0o644)
    }

    fn key(&self, name: &str) -> Result<Option<KeyPair>, AuthorityError> {
        let Some(pem) = self.read(name)? else {
            return Ok(None);
        };
        let der = rustls::pki_types::PrivatePkcs8KeyDer::from_pem_slice(&pem);
        let der = der.map_err(|_| self.malformed(name))?;
        let key = key_from_pkcs8(der.secret_pkcs8_der().to_vec());
        key.map(Some).map_err(|_| self.malformed(name))
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, AuthorityError> {
        let path = self.folder.join(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(AuthorityError::File { path, source }),
        }
    }

    fn write(&self, name: &str, text: &str, mode: u32) -> Result<(), AuthorityError> {
        let path = self.folder.join(name);
        replace(&path, text.as_bytes(), mode).map_err(|source| AuthorityError::File { path, source })
    }

    fn malformed(&self, name: &str) -> AuthorityError {
        AuthorityError::Malformed {
            path: self.folder.join(name),
        }
    }
}
