//! Probes that have joined: invited and admitted by a collector's own registry, before it runs.

use std::net::SocketAddr;

use anyhow::{Result, bail, ensure};
use isochrone_gate::audit::Actor;
use isochrone_gate::registry::{NewInvitation, Registry};
use isochrone_probe::identity::{Identity, Joined, ProbeKey};
use isochrone_proto::join::{JoinRequest, JoinResponse, signed_message};
use isochrone_proto::token::Token;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

/// An invitation for `name`.
pub(super) fn invite(registry: &Registry, name: &str) -> Result<Token> {
    let new = NewInvitation {
        worker: "figures".into(),
        site: "Berlin, DE".into(),
        name: Some(name.into()),
        ..NewInvitation::default()
    };
    Ok(registry.invite(&new, &Actor::Collector)?.token.parse()?)
}

/// Makes a key and has `registry` admit it.
pub(super) fn join(registry: &Registry, name: &str, remote: SocketAddr) -> Result<Identity> {
    let token = invite(registry, name)?;
    let key = ProbeKey::generate()?;
    let Ok(seed) = Ed25519KeyPair::from_seed_unchecked(&token.seed) else {
        bail!("the invitation of {name} holds no Ed25519 seed");
    };
    let (csr, exporter) = (key.request()?, [0; 32]);
    let mut invitation = [0; 32];
    let public = seed.public_key().as_ref();
    ensure!(public.len() == invitation.len(), "an Ed25519 key has 32 bytes");
    invitation.copy_from_slice(public);
    let request = JoinRequest {
        invitation,
        signature: seed.sign(&signed_message(&exporter, &csr)).as_ref().to_vec(),
        csr,
        software: "figures".into(),
    };
    match registry.join(&request, &exporter, remote)? {
        JoinResponse::Accepted {
            probe,
            name,
            chain,
            addresses,
        } => {
            let joined = Joined {
                probe,
                name,
                chain: chain
                    .into_iter()
                    .map(|certificate| certificate.0.into())
                    .collect(),
                collectors: addresses,
                invitation,
            };
            Ok(Identity::new(key, joined)?)
        }
        JoinResponse::Refused(refusal) => bail!("{name} was refused: {refusal}"),
    }
}
