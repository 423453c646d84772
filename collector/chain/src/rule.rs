//! The rules: what each is called, how grave it is, and what it found.

use std::fmt;

use crate::topology::{BucketId, OperatorId};

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Users are sent wrong, or nowhere.
    Error,
    /// The chain says what is not so, or says too little; users may not notice yet.
    Warning,
    /// Worth knowing.
    Note,
}

impl Severity {
    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// One finding: what is wrong with what, and how that is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Which rule.
    pub rule: Rule,
    /// With what.
    pub subject: Subject,
    /// In a plain sentence or two.
    pub says: String,
    /// What it rests on, a sentence each.
    pub evidence: Vec<String>,
}

/// What a finding is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A family, by its number.
    Family(u32),
    /// A bucket.
    Bucket(BucketId),
    /// An operator of a bucket.
    Operator(OperatorId),
    /// A node of targets.toml, by its name.
    Node(String),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Family(id) => write!(f, "family {id}"),
            Self::Bucket(id) => write!(f, "bucket {id}"),
            Self::Operator(id) => write!(f, "operator {id}"),
            Self::Node(name) => write!(f, "node {name}"),
        }
    }
}

macro_rules! rules {
    ($($(#[doc = $doc:literal])* $name:ident = $id:literal, $severity:ident;)*) => {
        /// What is held against the chain. docs/audit.md says of each how to act on it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule {
            $($(#[doc = $doc])* $name,)*
        }

        impl Rule {
            /// Every rule, in the order of docs/audit.md.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its name in JSON and documents; never changed.
            #[must_use]
            pub const fn id(self) -> &'static str {
                match self {
                    $(Self::$name => $id,)*
                }
            }

            /// How grave what it finds is.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self {
                    $(Self::$name => Severity::$severity,)*
                }
            }
        }
    };
}

rules! {
    /// A bucket that users are sent to has no active operator.
    NoActiveOperator = "bucket.no-active-operator", Error;
    /// A bucket takes new bags and sends nobody to them.
    AcceptingWhileOff = "bucket.accepting-while-off", Warning;
    /// A bucket that users are sent to holds no bag.
    NoBags = "bucket.no-bags", Note;
    /// Users are sent to a bucket of which every node is down.
    DistributingDead = "bucket.distributing-though-dead", Error;
    /// A bucket's node lives, and nobody is sent to it.
    OffThoughAlive = "bucket.off-though-alive", Warning;
    /// An operator was invited long ago and has not said yes.
    InvitedLong = "operator.invited-long", Warning;
    /// An active operator names no endpoint.
    NoEndpoint = "endpoint.missing", Error;
    /// An endpoint is no address that anybody can ask.
    UnreadableEndpoint = "endpoint.unreadable", Error;
    /// An endpoint is read in clear.
    PlainHttp = "endpoint.http", Error;
    /// An endpoint lacks the slash at its end.
    NoSlash = "endpoint.no-slash", Warning;
    /// Two operators name one endpoint.
    DuplicateEndpoint = "endpoint.duplicate", Warning;
    /// One endpoint speaks for buckets of two families.
    TwoFamilies = "endpoint.two-families", Note;
    /// An active operator claims no coordinates.
    NoPlace = "place.missing", Error;
    /// The claimed coordinates can be none.
    InvalidPlace = "place.invalid", Error;
    /// Latitude and longitude look swapped.
    SwappedPlace = "place.swapped", Error;
    /// The claimed coordinates lie in another country than the claimed one.
    OtherCountry = "place.country", Warning;
    /// The claimed coordinates lie far from the claimed city.
    OtherCity = "place.city", Warning;
    /// The claimed place lies outside the family's areas.
    OutsideAreas = "place.outside-areas", Error;
    /// Light forbids the claimed place.
    Measured = "place.measured", Error;
    /// A family has no name of a region.
    NoRegion = "family.no-region", Warning;
    /// A family has no areas.
    NoAreas = "family.no-areas", Warning;
    /// A family's areas hold only continents.
    OnlyContinents = "family.only-continents", Note;
    /// An area's code is none.
    BadArea = "family.bad-area", Warning;
    /// A family names nobody whom users can time.
    NoLatencyTargets = "family.no-latency-targets", Note;
    /// A family sends users nowhere.
    NothingDistributing = "family.nothing-distributing", Warning;
    /// None of the vantages in a family's areas is served best by it.
    ServesNobodyBest = "family.serves-nobody-best", Warning;
    /// A node is nearer to the users of another family.
    AnotherFamilyNearer = "node.another-family-nearer", Warning;
    /// A node says other buckets than the chain.
    SaidBuckets = "node.buckets", Error;
    /// A node says another worker than the chain.
    SaidWorker = "node.worker", Error;
    /// targets.toml gives a node other buckets than the chain.
    ListedBuckets = "node.listed-buckets", Warning;
    /// A measured node is not on the chain.
    NotOnChain = "node.not-on-chain", Note;
    /// An active operator's node is not measured.
    NotMeasured = "node.not-measured", Note;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_rule_has_a_name_of_its_own() {
        let ids: BTreeSet<&str> = Rule::ALL.iter().map(|rule| rule.id()).collect();
        assert_eq!(ids.len(), Rule::ALL.len());
        assert!(Rule::ALL.len() >= 18);
    }
}
