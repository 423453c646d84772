//! The local file, `probe.toml`: rights and limits that no plan can widen. It is checked whole before any
//! port is bound.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use bytesize::ByteSize;
use ipnet::IpNet;
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

    fn bounded(&self, key: &'static str, texts: &[String]) -> Result<(), ConfigError> {
        if texts.len() > LIST_MAX {
            let count = format!("{} entries", texts.len());
            return Err(self.wrong(key, &count, "at most 16 are allowed"));
        }
        Ok(())
    }

    fn spool(&self, text: &str) -> Result<SpoolOptions, ConfigError> {
        let key = "spool_bytes";
        let size: ByteSize = text
            .parse()
            .map_err(|_| self.wrong(key, text, "write a size with its unit, like \"256MiB\""))?;
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
    fn unknown_key_is_named() {
        let error = parse("echo_lisen = []").unwrap_err().to_string();
        assert!(
            error.contains("echo_lisen") && error.contains("probe.toml"),
            "{error}"
        );
    }
}
