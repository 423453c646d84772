//! The files of the settings: secrets, and the authority's certificate.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use elasticsearch::auth::Credentials;
use elasticsearch::cert::{Certificate, CertificateValidation};

use super::ClientError;
use crate::Account;

/// What stands in the files. It has no `Debug`: it must never be logged.
pub(super) struct Secret {
    pub(super) credentials: Option<Credentials>,
    pub(super) warnings: Vec<String>,
}

impl Secret {
    pub(super) fn read(account: Option<&Account>) -> Result<Self, ClientError> {
        let mut warnings = Vec::new();
        let credentials = match account {
            None => None,
            Some(Account::User { name, password_file }) => {
                let password = first_line("password_file", password_file, &mut warnings)?;
                Some(Credentials::Basic(name.clone(), password))
            }
            Some(Account::ApiKey { file }) => {
                let key = first_line("api_key_file", file, &mut warnings)?;
                Some(api_key(key, file)?)
            }
        };
        Ok(Self {
            credentials,
            warnings,
        })
    }
}

/// As the server gives it (`encoded`), or as `id:key`.
fn api_key(key: String, file: &Path) -> Result<Credentials, ClientError> {
    if let Some((id, key)) = key.split_once(':') {
        return Ok(Credentials::ApiKey(id.to_owned(), key.to_owned()));
    }
    // The library would end the process over another byte.
    match key.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(Credentials::EncodedApiKey(key)),
        false => Err(ClientError::Secret {
            key: "api_key_file",
            path: file.to_owned(),
            reason: "its first line is no API key; write what the server gave as \"encoded\"",
        }),
    }
}

/// The first line of a secret's file; warns where others can read it.
fn first_line(key: &'static str, path: &Path, warnings: &mut Vec<String>) -> Result<String, ClientError> {
    let unreadable = |source| ClientError::File {
        key,
        path: path.to_owned(),
        source,
    };
    let text = fs::read_to_string(path).map_err(unreadable)?;
    let mode = fs::metadata(path).map_err(unreadable)?.permissions().mode();
    if mode & 0o077 != 0 {
        warnings.push(format!(
            "elasticsearch.{key} = {}: others on this machine can read it; `chmod 600` it",
            path.display()
        ));
    }
    let line = text.lines().next().unwrap_or_default().trim();
    match line.is_empty() {
        false => Ok(line.to_owned()),
        true => Err(ClientError::Secret {
            key,
            path: path.to_owned(),
            reason: "its first line is empty; write the secret there and nothing else",
        }),
    }
}

/// What certificates are checked with.
pub(super) fn authority(file: &Path) -> Result<CertificateValidation, ClientError> {
    let pem = fs::read(file).map_err(|source| ClientError::File {
        key: "ca",
        path: file.to_owned(),
        source,
    })?;
    let certificate = Certificate::from_pem(&pem).map_err(|source| ClientError::Authority {
        path: file.to_owned(),
        source,
    })?;
    Ok(CertificateValidation::Full(certificate))
}
