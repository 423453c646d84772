//! Fifty peers on loopback that answer one prober's authenticated echoes.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use anyhow::{Result, bail};
use isochrone_proto::echo::{KeyEpoch, PACKET_BYTES, PairKey, ResponderSecret, Sealed};
use isochrone_proto::ids::{PlanVersion, ProbeId, TargetId};
use isochrone_proto::kind::{Check, Family, Kind};
use isochrone_proto::plan::{Plan, PlannedCheck, ResponderPlan, Target, TargetAddress};
use isochrone_proto::schedule::Schedule;
use isochrone_proto::units::UnixMillis;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

/// How many there are.
pub(super) const PEERS: usize = 50;
const KEY_EPOCH: KeyEpoch = KeyEpoch(1);
const INTERVAL_MS: u32 = 1_000;

/// The peers; they answer until this is dropped.
pub(super) struct Responders {
    prober: ProbeId,
    peers: Vec<(SocketAddrV4, PairKey)>,
    _answering: JoinSet<()>,
}

impl Responders {
    /// Binds and answers `prober`.
    pub(super) async fn bind(prober: ProbeId) -> Result<Self> {
        let (mut peers, mut answering) = (Vec::new(), JoinSet::new());
        for peer in 0..PEERS {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            let SocketAddr::V4(address) = socket.local_addr()? else {
                bail!("an IPv4 socket without an IPv4 address");
            };
            let key = PairKey::derive(&ResponderSecret([peer as u8 + 1; 32]), prober, KEY_EPOCH);
            peers.push((address, key.clone()));
            answering.spawn(answer(socket, key));
        }
        Ok(Self {
            prober,
            peers,
            _answering: answering,
        })
    }

    /// What the prober is to measure: each peer once a second.
    pub(super) fn plan(&self, now: UnixMillis) -> Result<Plan> {
        let kind = Kind::new(Check::Echo, Family::V4);
        let mut plan = Plan {
            version: PlanVersion {
                promotion: 0,
                number: 1_000_000, // above whatever the planner made
            },
            probe: self.prober,
            probe_name: "measured".into(),
            issued: now,
            expires: now.plus(Duration::from_secs(7 * 86_400)),
            targets: Vec::new(),
            checks: Vec::new(),
            responder: ResponderPlan::default(),
        };
        for (place, (address, key)) in self.peers.iter().enumerate() {
            let peer = ProbeId(place as u64 + 1);
            let id = TargetId::of_peer(peer);
            plan.targets.push(Target {
                id,
                name: format!("peer-{place}"),
                address: TargetAddress::Peer {
                    probe: peer,
                    v4: Some(*address),
                    v6: None,
                    key: Some((KEY_EPOCH, key.clone())),
                },
            });
            plan.checks.push(PlannedCheck {
                kind,
                target: place as u16,
                schedule: Schedule::spread(self.prober, id, kind, INTERVAL_MS, 2_000)?,
            });
        }
        Ok(plan)
    }
}

/// Answers what is sealed with `key`, and nothing else.
async fn answer(socket: UdpSocket, key: PairKey) {
    let mut bytes = [0; PACKET_BYTES + 1];
    while let Ok((length, from)) = socket.recv_from(&mut bytes).await {
        let request = Sealed::parse(&bytes[..length]).and_then(|sealed| sealed.open(&key));
        if let Ok(request) = request
            && let Err(error) = socket.send_to(&request.reply(1).seal(&key), from).await
        {
            tracing::warn!(%error, "a reply stays unsent");
        }
    }
}
