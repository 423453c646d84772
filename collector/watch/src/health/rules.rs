//! The numbers behind a verdict, as the configuration gives them.

use std::time::Duration;

use serde::Deserialize;

/// `[health]` of collector.toml. Later these come from the data, for a stated rate of false alarms.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// A vantage says "down" after so many failures in a row. Default 3, at most 16.
    #[serde(deserialize_with = "in_a_row")]
    pub failures: u32,
    /// A vantage says "up again" after so many answers in a row. Default 2, at most 16.
    #[serde(deserialize_with = "in_a_row")]
    pub answers: u32,
    /// A probe is silent after so long without a word. Default 3 min.
    #[serde(with = "humantime_serde")]
    pub silent_after: Duration,
    /// A node without any fresh measurement for so long is an incident of its own. Default 3 min.
    #[serde(with = "humantime_serde")]
    pub no_data_after: Duration,
}

/// An incident needs vantages of so many networks, unless the mesh has only one.
pub const NETWORKS: usize = 2;
/// In a mesh of one network, an incident needs so many vantages.
pub const VANTAGES: usize = 2;
/// A probe that gets no answer from more than this share (in percent) of other targets judges nobody.
pub const UPLINK_BAD_PERCENT: usize = 30;

impl Default for Rules {
    fn default() -> Self {
        Self {
            failures: 3,
            answers: 2,
            silent_after: Duration::from_secs(180),
            no_data_after: Duration::from_secs(180),
        }
    }
}

fn in_a_row<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let count = u32::deserialize(deserializer)?;
    if (1..=16).contains(&count) {
        Ok(count)
    } else {
        Err(serde::de::Error::custom(format!(
            "{count} in a row; give 1 to 16"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_section_gives_the_defaults_and_a_typo_is_named() {
        assert_eq!(toml::from_str::<Rules>("").unwrap(), Rules::default());
        let rules: Rules = toml::from_str("silent_after = \"90s\"").unwrap();
        assert_eq!(rules.silent_after, Duration::from_secs(90));
        let error = toml::from_str::<Rules>("silentafter = \"90s\"")
            .unwrap_err()
            .to_string();
        assert!(error.contains("silentafter"), "{error}");
        let error = toml::from_str::<Rules>("failures = 0").unwrap_err().to_string();
        assert!(error.contains("give 1 to 16"), "{error}");
    }
}
