//! The local file, `probe.toml`: rights and limits that no plan can widen. It is checked whole before any
//! port is bound.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use bytesize::ByteSize;
use ipnet::IpNet;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;

use crate::spool::SpoolOptions;

/// Most entries of a list in the file.
const LIST_MAX: usize = 16;
const ECHO_LISTEN: [&str; 2] = ["0.0.0.0:7472", "[::]:7472"];

/// What the local file says.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the echo responder listens; empty: nowhere.
    pub echo_listen: Vec<SocketAddr>,
    /// Private, loopback and other special addresses that may be measured.
    pub allow_private: Vec<IpNet>,
    /// Bound of the spool.
    pub spool: SpoolOptions,
    /// Collector addresses (`host:port`) instead of those that the collector tells.
    pub collectors: Vec<String>,
    /// Addresses under which the responder can be reached, where NAT stands between.
    pub advertise: Vec<SocketAddr>,
    /// Certificates that nodes may show or lead to, beside the system's roots.
    pub extra_roots: Vec<CertificateDer<'static>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConfig {
    echo_listen: Option<Vec<String>>,
    #[serde(default)]
    allow_private: Vec<String>,
    spool_bytes: Option<String>,
    #[serde(default)]
    collectors: Vec<String>,
    #[serde(default)]
    advertise: Vec<String>,
    #[serde(default)]
    extra_roots: Vec<String>,
}

/// Why the local file cannot be used. Exit code 64.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("cannot read {}; create it, or leave --config away for the defaults", file.display())]
    Read {
        /// As it was looked for.
        file: PathBuf,
        /// The system's words.
        #[source]
        source: io::Error,
    },
    /// It is the collector's.
    #[error("{} is the collector's file, and the probe has one of its own: leave --config and ISOCHRONE_CONFIG away, or name its probe.toml", file.display())]
    Collectors {
        /// As it was named.
        file: PathBuf,
    },
    /// The state folder is the collector's.
    #[error("{} is a collector's state folder, and the probe has one of its own: leave --state and ISOCHRONE_STATE away, or name that", folder.display())]
    CollectorsFolder {
        /// As it was named.
        folder: PathBuf,
    },
    /// It is no TOML, or holds a key that does not exist.
    #[error("{} is not a valid probe.toml: {problem}", file.display())]
    Syntax {
        /// As it was looked for.
        file: PathBuf,
        /// Where and what, with the line.
        problem: String,
    },
    /// A value cannot be meant.
    #[error("{}: `{key} = {value:?}`: {problem}", file.display())]
    Value {
        /// As it was looked for.
        file: PathBuf,
        /// With its table, `a.b`.
        key: &'static str,
        /// As it stands there.
        value: String,
        /// What is wrong, and what to write.
        problem: String,
    },
}

impl Config {
    /// Reads a file that must be there.
    ///
    /// # Errors
    /// Names file, key and value.
    pub fn read(file: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(file).map_err(|source| ConfigError::Read {
            file: file.to_owned(),
            source,
        })?;
        Self::parse(&text, file)
    }

    /// Reads a file; if there is none, everything has its default.
    ///
    /// # Errors
    /// Names file, key and value.
    pub fn read_or_default(file: &Path) -> Result<Self, ConfigError> {
        match Self::read(file) {
            Err(ConfigError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Self::parse("", file)
            }
            read => read,
        }
    }

    /// Reads the text of `file`.
    ///
    /// # Errors
    /// Names file, key and value.
    pub fn parse(text: &str, file: &Path) -> Result<Self, ConfigError> {
        let raw: RawConfig = toml::from_str(text).map_err(|error| ConfigError::Syntax {
            file: file.to_owned(),
            problem: error.to_string().trim_end().to_owned(),
        })?;
        let reader = Reader { file };
        let listen = raw
            .echo_listen
            .unwrap_or_else(|| ECHO_LISTEN.map(str::to_owned).to_vec());
        let spool = raw
            .spool_bytes
            .map_or(Ok(SpoolOptions::default()), |text| reader.spool(&text))?;
        reader.once("echo_listen", &listen)?;
        for address in &raw.collectors {
            reader.collector(address)?;
        }
        reader.bounded("collectors", &raw.collectors)?;
        Ok(Self {
            echo_listen: reader.list(
                "echo_listen",
                &listen,
                "write an address and a port, like \"0.0.0.0:7472\"",
            )?,
            allow_private: reader.list(
                "allow_private",
                &raw.allow_private,
                "write a prefix, like \"10.1.0.0/16\"",
            )?,
            spool,
            collectors: raw.collectors,
            advertise: reader.list(
                "advertise",
                &raw.advertise,
                "write the public address and port, like \"203.0.113.7:7472\"",
            )?,
            extra_roots: reader.roots(&raw.extra_roots)?,
        })
    }
}

/// Turns texts into values; knows the file for its errors.
struct Reader<'a> {
    file: &'a Path,
}

impl Reader<'_> {
    fn list<T: std::str::FromStr>(
        &self,
        key: &'static str,
        texts: &[String],
        advice: &str,
    ) -> Result<Vec<T>, ConfigError> {
        self.bounded(key, texts)?;
        let parse = |text: &String| text.parse().map_err(|_| self.wrong(key, text, advice));
        texts.iter().map(parse).collect()
    }

    /// Refuses an address that is named twice: only one socket can listen there. Port 0 is another one each time.
    fn once(&self, key: &'static str, texts: &[String]) -> Result<(), ConfigError> {
        let twice = texts
            .iter()
            .enumerate()
            .find(|(at, text)| !text.ends_with(":0") && texts[..*at].contains(text));
        twice.map_or(Ok(()), |(_, text)| {
            Err(self.wrong(key, text, "it is named twice; name each address once"))
        })
    }

    fn bounded(&self, key: &'static str, texts: &[String]) -> Result<(), ConfigError> {
        if texts.len() > LIST_MAX {
            let count = format!("{} entries", texts.len());
            return Err(self.wrong(key, &count, "at most 16 are allowed"));
        }
        Ok(())
    }

    /// The certificates of PEM files. A path that is not absolute begins where the local file lies.
    fn roots(&self, files: &[String]) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
        let key = "extra_roots";
        self.bounded(key, files)?;
        let mut roots = Vec::new();
        for named in files {
            let file = self.file.parent().unwrap_or(Path::new("")).join(named);
            let text = std::fs::read(&file)
                .map_err(|error| self.wrong(key, named, &format!("the file cannot be read: {error}")))?;
            let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
            let found = found.ok().filter(|found| !found.is_empty()).ok_or_else(|| {
                let problem = "the file holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)";
                self.wrong(key, named, problem)
            })?;
            for root in found {
                RootCertStore::empty().add(root.clone()).map_err(|error| {
                    let problem = format!("it holds a certificate that cannot be a root: {error}");
                    self.wrong(key, named, &problem)
                })?;
                roots.push(root);
            }
        }
        Ok(roots)
    }

    fn spool(&self, text: &str) -> Result<SpoolOptions, ConfigError> {
        let key = "spool_bytes";
        let size: ByteSize = text.parse().map_err(|_| {
            let advice = match text.contains(',') {
                true => format!("write the fraction behind a point: {:?}", text.replace(',', ".")),
                false => "write a size with its unit, like \"256MiB\"".to_owned(),
            };
            self.wrong(key, text, &advice)
        })?;
        if size.0 < SpoolOptions::BYTES_MIN {
            return Err(self.wrong(key, text, "the spool needs at least 1MiB"));
        }
        Ok(SpoolOptions { bytes_max: size.0 })
    }

    fn collector(&self, text: &str) -> Result<(), ConfigError> {
        let port = text.rsplit_once(':').and_then(|(host, port)| {
            let is_host = !host.is_empty() && !host.contains(char::is_whitespace);
            port.parse::<u16>().ok().filter(|port| *port != 0 && is_host)
        });
        let advice = "write host and port, like \"lead.example.org:7470\"";
        port.map(drop)
            .ok_or_else(|| self.wrong("collectors", text, advice))
    }

    fn wrong(&self, key: &'static str, value: &str, problem: &str) -> ConfigError {
        ConfigError::Value {
            file: self.file.to_owned(),
            key,
            value: value.to_owned(),
            problem: problem.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, Path::new("/etc/isochrone/probe.toml"))
    }

    #[test]
    fn empty_file_has_the_documented_defaults() {
        let config = parse("").unwrap();
        assert_eq!(
            config.echo_listen,
            ["0.0.0.0:7472".parse().unwrap(), "[::]:7472".parse().unwrap()]
        );
        assert_eq!(config.spool.bytes_max, 256 << 20);
        assert!(config.allow_private.is_empty() && config.collectors.is_empty());
    }

    #[test]
    fn every_key_is_read() {
        let config = parse(
            "echo_listen = []\nallow_private = [\"127.0.0.0/8\"]\nspool_bytes = \"2MiB\"\n\
             collectors = [\"lead.example.org:7470\", \"[2001:db8::1]:7470\"]\nadvertise = [\"203.0.113.7:7472\"]",
        )
        .unwrap();
        assert!(config.echo_listen.is_empty());
        assert_eq!(config.allow_private, ["127.0.0.0/8".parse().unwrap()]);
        assert_eq!(config.spool.bytes_max, 2 << 20);
        assert_eq!(config.collectors.len(), 2);
        assert_eq!(config.advertise, ["203.0.113.7:7472".parse().unwrap()]);
    }

    #[test]
    fn wrong_values_are_named_with_file_key_and_value() {
        for (text, key, value) in [
            ("echo_listen = [\"7472\"]", "echo_listen", "7472"),
            (
                "allow_private = [\"10.0.0.0/40\"]",
                "allow_private",
                "10.0.0.0/40",
            ),
            ("spool_bytes = \"much\"", "spool_bytes", "much"),
            ("spool_bytes = \"1kB\"", "spool_bytes", "1kB"),
            (
                "collectors = [\"lead.example.org\"]",
                "collectors",
                "lead.example.org",
            ),
            (
                "collectors = [\"lead.example.org:0\"]",
                "collectors",
                "lead.example.org:0",
            ),
            ("advertise = [\"lead\"]", "advertise", "lead"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains("/etc/isochrone/probe.toml"), "{error}");
            assert!(error.contains(key) && error.contains(value), "{error}");
        }
    }

    #[test]
    fn extra_roots_are_read_from_files_beside_the_local_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("probe.toml");
        let authority = crate::reach::fixture::authority();
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        std::fs::write(folder.path().join("words.pem"), "no certificate").unwrap();
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        std::fs::write(folder.path().join("broken.pem"), broken).unwrap();
        let read = |name: &str| Config::parse(&format!("extra_roots = [\"{name}\"]"), &file);
        assert_eq!(read("ca.pem").unwrap().extra_roots, [authority.der().clone()]);
        for (name, words) in [
            ("gone.pem", "cannot be read"),
            ("words.pem", "no certificate in PEM form"),
            ("broken.pem", "cannot be a root"),
        ] {
            let error = read(name).unwrap_err().to_string();
            assert!(
                error.contains("extra_roots") && error.contains(name) && error.contains(words),
                "{error}"
            );
        }
    }

    #[test]
    fn size_with_a_decimal_comma_is_told_how_to_be_written() {
        let error = parse("spool_bytes = \"1,5GiB\"").unwrap_err().to_string();
        assert!(
            error.contains("spool_bytes") && error.contains("\"1.5GiB\""),
            "{error}"
        );
        assert_eq!(
            parse("spool_bytes = \"1.5GiB\"").unwrap().spool.bytes_max,
            3 << 29
        );
    }

    #[test]
    fn one_address_twice_is_refused() {
        let error = parse("echo_listen = [\"0.0.0.0:7472\", \"0.0.0.0:7472\"]").unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("echo_listen") && error.contains("0.0.0.0:7472") && error.contains("twice"),
            "{error}"
        );
        assert!(parse("echo_listen = [\"127.0.0.1:0\", \"127.0.0.1:0\"]").is_ok());
    }

    #[test]
    fn unknown_key_is_named() {
        let error = parse("echo_lisen = []").unwrap_err().to_string();
        assert!(
            error.contains("echo_lisen") && error.contains("probe.toml"),
            "{error}"
        );
    }
}
