//! `isochrone-probe join TOKEN`: how a server without a certificate gets its first one.
//!
//! The key is made here and never leaves. Key and request are kept until the collector has answered, so an
//! answer that got lost on its way is simply asked for again: the same request gets the same certificate.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64;
use isochrone_proto::codec;
use isochrone_proto::frame::{self, MessageKind};
use isochrone_proto::ids::{KeyHash, ProbeId};
use isochrone_proto::join::{EXPORTER_LABEL, JoinRefusal, JoinRequest, JoinResponse, signed_message};
use isochrone_proto::limits::JOIN_BYTES_MAX;
use isochrone_proto::token::Token;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use rustls::pki_types::CertificateDer;
use rustls::time_provider::TimeProvider;
use serde::{Deserialize, Serialize};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::disk::{Disk, read_optional};
use crate::identity::{Identity, IdentityError, Joined, ProbeKey};
use crate::tls::{self, CollectorVerifier, NotTheCollector, Trust};
use crate::uplink::EndpointFactory;

const FILE: &str = "joining.json";
const SPOOL: &str = "spool/";
const PLANS: &str = "plans/";
const CONNECT: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(10);
/// Times that all addresses are tried.
const ROUNDS: u32 = 3;
const BETWEEN_ROUNDS: Duration = Duration::from_secs(2);
const SOFTWARE: &str = concat!("isochrone-probe ", env!("CARGO_PKG_VERSION"));

/// What joining works with.
pub struct JoinParts {
    /// The state folder.
    pub disk: Arc<dyn Disk>,
    /// Sockets.
    pub endpoint: EndpointFactory,
    /// What time certificates are judged at.
    pub tls_time: Arc<dyn TimeProvider>,
}

/// How a join ended well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JoinOutcome {
    /// The probe is in.
    Joined {
        /// The name the lead gave it.
        name: String,
        /// Made from this server's key.
        probe: ProbeId,
    },
    /// It had joined with this very token before; nothing was done.
    AlreadyJoined {
        /// As [`JoinOutcome::Joined`].
        name: String,
        /// As it joined: made from this server's key.
        probe: ProbeId,
        /// It runs at this moment.
        runs: bool,
    },
}

/// Why a join failed.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The collector said no.
    #[error(transparent)]
    Refused(#[from] JoinRefusal),
    /// Somebody else answered.
    #[error("{remote}: {reason}")]
    NotTheCollector {
        /// Where it answered.
        remote: SocketAddr,
        /// In words.
        reason: PinMismatch,
    },
    /// Nobody answered at any address.
    #[error(
        "no collector could be reached at {addresses}: {last}; does a firewall let UDP out? The token stays good, try again"
    )]
    Unreachable {
        /// All addresses of the token.
        addresses: String,
        /// What happened at the last one.
        last: String,
    },
    /// The collector said something else.
    #[error("the collector's answer cannot be used: {what}; is one of the two releases older?")]
    Answer {
        /// What is wrong with it, in words.
        what: String,
    },
    /// A probe runs here with another identity.
    #[error(
        "a probe runs here that joined as {name}, with another invitation. If this one is to take its place (that one was revoked, perhaps), stop it first (`systemctl stop isochrone-probe`), and join again"
    )]
    Running {
        /// The name of the one that runs.
        name: String,
    },
    /// The token's seed.
    #[error("the token is damaged; paste the whole line again")]
    Token,
    /// The identity cannot be made or kept.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The state folder.
    #[error("cannot {action} {file} in the state folder")]
    Disk {
        /// What was tried.
        action: &'static str,
        /// Relative to the state folder.
        file: String,
        /// The system's words.
        #[source]
        source: io::Error,
    },
    /// The TLS library.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
}

/// What a server that is not the token's collector may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PinMismatch {
    /// Another authority.
    #[error(
        "this server is not the collector that the token is for (its authority has another key); ask the lead whether the token is current"
    )]
    OtherAuthority,
    /// Anything else that its certificate is not.
    #[error(transparent)]
    Certificate(NotTheCollector),
}

/// Key and request, until they are answered.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pending {
    invitation: String,
    key: String,
    request: String,
}

/// One attempt that brought no answer; another address, or another time, may.
struct NoAnswer(String);

enum Attempt {
    Answered(JoinResponse),
    NoAnswer(NoAnswer),
}

/// Joins the mesh that `token` invites to.
///
/// # Errors
/// Each refusal in its own sentence. What can be tried again can be tried again with the same token.
pub async fn join(parts: &JoinParts, token: &Token) -> Result<JoinOutcome, JoinError> {
    let (seed, invitation) = seed_of(token)?;
    let known = Identity::load_optional(&*parts.disk).unwrap_or_else(|error| {
        tracing::warn!(error = %error, "the old identity is replaced");
        None
    });
    if let Some(known) = known.as_ref().filter(|known| *known.invitation() == invitation) {
        return Ok(JoinOutcome::AlreadyJoined {
            name: known.name().to_owned(),
            probe: known.probe(),
            runs: false,
        });
    }
    let (key, request) = pending(&*parts.disk, &invitation)?;
    let joining = Joining {
        parts,
        token,
        seed,
        invitation,
        request,
    };
    let joined = joining.joined(joining.ask().await?)?;
    finish(&*parts.disk, key, joined, token, known.as_ref())
}

/// Joins where a probe runs with this identity: with the same token it has joined already, and nothing is to be done.
///
/// # Errors
/// Another token: a probe that runs cannot be given another identity.
pub fn join_running(identity: &Identity, token: &Token) -> Result<JoinOutcome, JoinError> {
    let (_, invitation) = seed_of(token)?;
    let name = identity.name().to_owned();
    if *identity.invitation() != invitation {
        return Err(JoinError::Running { name });
    }
    Ok(JoinOutcome::AlreadyJoined {
        name,
        probe: identity.probe(),
        runs: true,
    })
}

/// The token's key, and its public half, which names the invitation.
fn seed_of(token: &Token) -> Result<(Ed25519KeyPair, [u8; 32]), JoinError> {
    let seed = Ed25519KeyPair::from_seed_unchecked(&token.seed).map_err(|_| JoinError::Token)?;
    let invitation = seed.public_key().as_ref().try_into();
    let invitation = invitation.map_err(|_| JoinError::Token)?;
    Ok((seed, invitation))
}

struct Joining<'a> {
    parts: &'a JoinParts,
    token: &'a Token,
    seed: Ed25519KeyPair,
    invitation: [u8; 32],
    request: Vec<u8>,
}

impl Joining<'_> {
    fn joined(&self, response: JoinResponse) -> Result<Joined, JoinError> {
        match response {
            JoinResponse::Refused(refusal) => Err(refusal.into()),
            JoinResponse::Accepted {
                probe,
                name,
                chain,
                addresses,
            } => Ok(Joined {
                probe,
                name,
                chain: chain
                    .into_iter()
                    .map(|certificate| CertificateDer::from(certificate.0))
                    .collect(),
                collectors: if addresses.is_empty() {
                    self.token.collectors.clone()
                } else {
                    addresses
                },
                invitation: self.invitation,
            }),
        }
    }

    /// Tries all addresses, some times.
    async fn ask(&self) -> Result<JoinResponse, JoinError> {
        let mut last = "no address".to_owned();
        for round in 0..ROUNDS {
            if round > 0 {
                tokio::time::sleep(BETWEEN_ROUNDS).await;
            }
            for address in &self.token.collectors {
                match self.ask_at(address).await? {
                    Attempt::Answered(JoinResponse::Refused(JoinRefusal::Busy)) if round + 1 < ROUNDS => {
                        last = JoinRefusal::Busy.to_string();
                    }
                    Attempt::Answered(response) => return Ok(response),
                    Attempt::NoAnswer(NoAnswer(why)) => {
                        tracing::info!(address, why, "no answer");
                        last = why;
                    }
                }
            }
        }
        Err(JoinError::Unreachable {
            addresses: self.token.collectors.join(", "),
            last,
        })
    }

    async fn ask_at(&self, address: &str) -> Result<Attempt, JoinError> {
        let none = |why: String| Ok(Attempt::NoAnswer(NoAnswer(why)));
        let remotes = match address.parse() {
            Ok(literal) => vec![literal],
            Err(_) => match tokio::net::lookup_host(address).await {
                Ok(found) => found.collect(),
                Err(error) => return none(format!("{address} cannot be resolved ({error})")),
            },
        };
        let mut last = format!("{address} has no address");
        for remote in remotes {
            match self.ask_remote(remote).await? {
                Attempt::NoAnswer(NoAnswer(why)) => last = why,
                answered => return Ok(answered),
            }
        }
        none(last)
    }

    async fn ask_remote(&self, remote: SocketAddr) -> Result<Attempt, JoinError> {
        let none = |why: String| Ok(Attempt::NoAnswer(NoAnswer(why)));
        let verifier = CollectorVerifier::new(Trust::Pin(self.token.authority));
        let config = tls::join_config(&verifier, Arc::clone(&self.parts.tls_time)).map_err(JoinError::Tls)?;
        let endpoint = match (self.parts.endpoint)(remote) {
            Ok(endpoint) => endpoint,
            Err(error) => return none(format!("no UDP socket towards {remote} ({error})")),
        };
        let connecting = match endpoint.connect_with(config, remote, tls::SERVER_NAME) {
            Ok(connecting) => connecting,
            Err(error) => return none(format!("{remote}: {error}")),
        };
        let connection = match tokio::time::timeout(CONNECT, connecting).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => match verifier.refused() {
                Some(NotTheCollector::OtherAuthority) => {
                    let reason = PinMismatch::OtherAuthority;
                    return Err(JoinError::NotTheCollector { remote, reason });
                }
                Some(other) => {
                    let reason = PinMismatch::Certificate(other);
                    return Err(JoinError::NotTheCollector { remote, reason });
                }
                None => return none(format!("{remote}: {error}")),
            },
            Err(_) => return none(format!("{remote} does not answer")),
        };
        let answer = tokio::time::timeout(ANSWER, self.exchange(&connection)).await;
        connection.close(0u32.into(), b"");
        if tokio::time::timeout(Duration::from_millis(500), endpoint.wait_idle())
            .await
            .is_err()
        {
            tracing::trace!("the close was not acknowledged");
        }
        match answer {
            Ok(answer) => answer,
            Err(_) => none(format!("{remote} did not answer the request")),
        }
    }

    async fn exchange(&self, connection: &quinn::Connection) -> Result<Attempt, JoinError> {
        let lost = |error: &dyn std::fmt::Display| {
            let why = format!(
                "the connection to {} was lost ({error})",
                connection.remote_address()
            );
            Ok(Attempt::NoAnswer(NoAnswer(why)))
        };
        let mut exporter = [0; 32];
        let exported = connection.export_keying_material(&mut exporter, EXPORTER_LABEL, b"");
        exported.map_err(|_| JoinError::Token)?; // 32 bytes can always be exported
        let request = JoinRequest {
            invitation: self.invitation,
            signature: self
                .seed
                .sign(&signed_message(&exporter, &self.request))
                .as_ref()
                .to_vec(),
            csr: self.request.clone(),
            software: SOFTWARE.into(),
        };
        let sealed = frame::seal(MessageKind::JoinRequest, &codec::encode_join_request(&request));
        let sealed = sealed.map_err(|error| answer_error(&error))?;
        let (mut send, mut receive) = match connection.open_bi().await {
            Ok(streams) => streams,
            Err(error) => return lost(&error),
        };
        if let Err(error) = send.write_all(&sealed).await {
            return lost(&error);
        }
        if let Err(error) = send.finish() {
            return lost(&error);
        }
        let bytes = match receive.read_to_end(frame::HEADER_BYTES + JOIN_BYTES_MAX).await {
            Ok(bytes) => bytes,
            Err(error) => return lost(&error),
        };
        let (kind, payload, _) = frame::read(&bytes).map_err(|error| answer_error(&error))?;
        if kind != MessageKind::JoinResponse {
            return Err(answer_error(&format!("a frame of kind {kind:?}")));
        }
        let response = codec::decode_join_response(&payload).map_err(|error| answer_error(&error))?;
        Ok(Attempt::Answered(response))
    }
}

/// Key and request for this invitation: those that were made before, or new ones, kept before they are used.
fn pending(disk: &dyn Disk, invitation: &[u8; 32]) -> Result<(ProbeKey, Vec<u8>), JoinError> {
    let failed = |action| {
        move |source| JoinError::Disk {
            action,
            file: FILE.into(),
            source,
        }
    };
    let invitation = BASE64.encode(invitation);
    let kept = read_optional(disk, FILE).map_err(failed("read"))?;
    let kept: Option<Pending> = kept.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    if let Some(kept) = kept.filter(|kept| kept.invitation == invitation) {
        let decoded = (
            BASE64.decode(kept.key.as_bytes()),
            BASE64.decode(kept.request.as_bytes()),
        );
        if let (Ok(key), Ok(request)) = decoded {
            return Ok((ProbeKey::from_pkcs8(key), request));
        }
    }
    let key = ProbeKey::generate()?;
    let request = key.request()?;
    let pending = Pending {
        invitation,
        key: BASE64.encode(key.pkcs8()),
        request: BASE64.encode(&request),
    };
    let text = serde_json::to_vec_pretty(&pending).map_err(|error| answer_error(&error))?;
    disk.replace(FILE, &text).map_err(failed("write"))?;
    Ok((key, request))
}

/// Checks what came, sets aside what belonged to another identity, and keeps the new one.
fn finish(
    disk: &dyn Disk,
    key: ProbeKey,
    joined: Joined,
    token: &Token,
    known: Option<&Identity>,
) -> Result<JoinOutcome, JoinError> {
    let authority = joined.chain.get(1).and_then(|certificate| {
        let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
        Some(KeyHash::of_spki(certificate.public_key().raw))
    });
    if authority != Some(token.authority) {
        return Err(answer_error(
            &"the certificate chain does not end at the token's authority",
        ));
    }
    let identity = Identity::new(key, joined)?;
    if identity.key().probe()? != identity.probe() {
        return Err(answer_error(
            &"the collector gave this probe an id that is not its key's",
        ));
    }
    if known.is_some_and(|known| known.probe() != identity.probe()) || known.is_none() {
        set_aside(disk, known.map(Identity::probe))?;
    }
    identity.save(disk)?;
    if let Err(error) = disk.remove(FILE) {
        tracing::debug!(%error, "the finished request stays in the state folder; it does no harm");
    }
    Ok(JoinOutcome::Joined {
        name: identity.name().to_owned(),
        probe: identity.probe(),
    })
}

/// Spool and plans belong to the key they were made with: the collector would refuse them from another.
fn set_aside(disk: &dyn Disk, old: Option<ProbeId>) -> Result<(), JoinError> {
    let old = old.map_or_else(|| "unknown".to_owned(), |old| old.to_string());
    for (folder, aside) in [
        (SPOOL, format!("spool-of-{old}/")),
        (PLANS, format!("plans-of-{old}/")),
    ] {
        let listed = disk.list(folder).map_err(|source| JoinError::Disk {
            action: "list",
            file: folder.into(),
            source,
        })?;
        for name in listed {
            let to = name.replacen(folder, &aside, 1);
            disk.rename(&name, &to).map_err(|source| JoinError::Disk {
                action: "set aside",
                file: name.clone(),
                source,
            })?;
            tracing::warn!(
                from = name,
                to,
                "set aside: it belongs to the key that this probe had before"
            );
        }
    }
    Ok(())
}

fn answer_error(what: &dyn std::fmt::Display) -> JoinError {
    JoinError::Answer {
        what: what.to_string(),
    }
}

#[cfg(test)]
mod tests;
