//! What the registry keeps of a probe and of an invitation: self-describing JSON.

use isochrone_base::roster::AccessClass;
use isochrone_proto::control::CertificateDer;
use isochrone_proto::echo::{KeyEpoch, ResponderSecret};
use isochrone_proto::ids::{KeyHash, ProbeId};
use isochrone_proto::kind::Kind;
use isochrone_proto::known::Known;
use isochrone_proto::units::UnixMillis;
use rand::CryptoRng;
use serde::{Deserialize, Serialize};

/// A probe that joined, as the store keeps it; one that was revoked stays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbeRecord {
    /// Derived from its key.
    #[serde(with = "as_text")]
    pub id: ProbeId,
    /// Unique for ever.
    pub name: String,
    /// The worker who runs the server.
    pub worker: String,
    /// The site, as the lead wrote it: `Berlin, DE`.
    pub site: String,
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// ISO 3166 code of the country.
    pub country: Option<String>,
    /// AS number of its network.
    pub network: Option<u32>,
    /// What kind of line it sits on.
    pub access: Access,
    /// Hash of its public key.
    #[serde(with = "as_text")]
    pub key: KeyHash,
    /// Whether it may come in.
    pub state: ProbeState,
    /// When it joined.
    pub joined: UnixMillis,
    /// End of its newest leaf.
    pub leaf_expires: UnixMillis,
    /// The secrets of its echo responder, the newest first; at most two.
    pub secrets: Vec<KeyedSecret>,
    /// The newest of them that the responder is known to have: only of this one probers get keys.
    #[serde(default)]
    pub known_secret: Option<KeyEpoch>,
    /// What its release can read, as it said when it last connected; `None` before it first did.
    #[serde(default)]
    pub announced: Option<Known>,
}

/// Where an invited probe will stand, and in whose care.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbeSite {
    /// The worker who runs the server.
    pub worker: String,
    /// The site, as the lead wrote it: `Berlin, DE`.
    pub site: String,
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// ISO 3166 code of the country.
    pub country: Option<String>,
    /// AS number of its network.
    pub network: Option<u32>,
    /// What kind of line it sits on.
    pub access: Access,
}

/// What kind of line a vantage sits on; the kinds are never pooled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// A server.
    DataCentre,
    /// A home or mobile line.
    Eyeball,
    /// Nobody said.
    #[default]
    Unknown,
}

/// Whether a probe may come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeState {
    /// Yes.
    Active,
    /// Never again with this key.
    Revoked,
}

/// One of a responder's secrets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyedSecret {
    /// Its number.
    pub epoch: KeyEpoch,
    #[serde(with = "as_hex")]
    pub(crate) secret: ResponderSecret,
}

impl ProbeRecord {
    /// Whether it would be news that its responder has the secret of `epoch`: it is its newest, and was not known to be there.
    pub(super) fn has_news_of_secret(&self, epoch: KeyEpoch) -> bool {
        let newest = self.secrets.first().map(|keyed| keyed.epoch);
        self.is_active() && newest == Some(epoch) && self.known_secret != newest
    }

    /// Whether it may come in.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.state == ProbeState::Active
    }

    /// The secrets as the probe's own plan carries them.
    #[must_use]
    pub fn responder_secrets(&self) -> Vec<(KeyEpoch, ResponderSecret)> {
        let secrets = self.secrets.iter();
        secrets.map(|keyed| (keyed.epoch, keyed.secret.clone())).collect()
    }

    /// The kinds that its release said it cannot be given; none before it first connected.
    #[must_use]
    pub fn unread_kinds(&self) -> Vec<Kind> {
        let unread = |announced: &Known| Kind::all().filter(|kind| !announced.reads(*kind)).collect();
        self.announced.as_ref().map(unread).unwrap_or_default()
    }

    /// Puts a new secret first. The one that probers have keys of stays valid; one that the responder is not
    /// known to have was given to nobody, and goes.
    pub(super) fn rotate(&mut self, rng: &mut impl CryptoRng) {
        let epoch = self
            .secrets
            .first()
            .map_or(0, |newest| newest.epoch.0.wrapping_add(1));
        self.secrets
            .retain(|keyed| Some(keyed.epoch) == self.known_secret);
        self.secrets.insert(0, KeyedSecret::new(KeyEpoch(epoch), rng));
    }
}

impl KeyedSecret {
    pub(super) fn new(epoch: KeyEpoch, rng: &mut impl CryptoRng) -> Self {
        let mut secret = [0; 32];
        rng.fill_bytes(&mut secret);
        Self {
            epoch,
            secret: ResponderSecret(secret),
        }
    }
}

/// An invitation. The token itself is not kept: only the public key of its seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InvitationRecord {
    /// Public key of the token's seed.
    #[serde(with = "as_hex")]
    pub id: InvitationId,
    /// The name its probe will have.
    pub name: String,
    /// Where that probe stands.
    #[serde(flatten)]
    pub place: ProbeSite,
    /// When it was made.
    pub(crate) made: UnixMillis,
    /// Until when it can be spent.
    pub valid_until: UnixMillis,
    /// What became of it.
    pub state: InvitationState,
}

/// Public key of a token's seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InvitationId(pub [u8; 32]);

/// What became of an invitation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum InvitationState {
    /// Nobody used it yet.
    Open,
    /// A probe joined with it.
    Spent {
        /// Hash of the key that did.
        #[serde(with = "as_text")]
        key: KeyHash,
        /// The leaf it got, DER: a lost answer is repeated byte by byte.
        #[serde(with = "as_hex")]
        leaf: CertificateDer,
    },
    /// The lead took it back.
    Withdrawn,
}

impl InvitationRecord {
    /// Whether someone may still join with it.
    #[must_use]
    pub(crate) fn is_open(&self, now: UnixMillis) -> bool {
        self.state == InvitationState::Open && now < self.valid_until
    }
}

/// A key that is never let in although it never was a probe: it was shown with another's invitation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct BurntKey {
    #[serde(with = "as_text")]
    pub key: KeyHash,
    /// When.
    pub at: UnixMillis,
    /// The invitation it came with.
    #[serde(with = "as_hex")]
    pub(crate) invitation: InvitationId,
}

/// As the type's own text.
mod as_text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    pub(super) fn serialize<T: Display, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub(super) fn deserialize<'de, T, D>(from: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

/// Bytes as hexadecimal text.
mod as_hex {
    use data_encoding::HEXLOWER;
    use isochrone_proto::control::CertificateDer;
    use isochrone_proto::echo::ResponderSecret;
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    use super::InvitationId;

    pub(super) trait Bytes: Sized {
        fn bytes(&self) -> &[u8];
        fn from_bytes(bytes: Vec<u8>) -> Option<Self>;
    }

    impl Bytes for ResponderSecret {
        fn bytes(&self) -> &[u8] {
            &self.0
        }
        fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
            bytes.try_into().ok().map(Self)
        }
    }

    impl Bytes for InvitationId {
        fn bytes(&self) -> &[u8] {
            &self.0
        }
        fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
            bytes.try_into().ok().map(Self)
        }
    }

    impl Bytes for CertificateDer {
        fn bytes(&self) -> &[u8] {
            &self.0
        }
        fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
            Some(Self(bytes))
        }
    }

    pub(super) fn serialize<T: Bytes, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&HEXLOWER.encode(value.bytes()))
    }

    pub(super) fn deserialize<'de, T: Bytes, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
        let text = String::deserialize(from)?;
        let bytes = HEXLOWER.decode(text.as_bytes()).map_err(D::Error::custom)?;
        T::from_bytes(bytes).ok_or_else(|| D::Error::custom("wrong number of bytes"))
    }
}

impl From<Access> for AccessClass {
    fn from(access: Access) -> Self {
        match access {
            Access::DataCentre => Self::DataCentre,
            Access::Eyeball => Self::Eyeball,
            Access::Unknown => Self::Unknown,
        }
    }
}
