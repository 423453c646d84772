//! UDP over the demo's distances: a relay stands before each probe's echo responder, and one before the
//! collector for each probe, so that one probe's network can be cut.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use isochrone_proto::echo::PACKET_BYTES;
use isochrone_proto::ids::ProbeId;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::{Duration, sleep};

use super::link::Cut;
use super::world::rtt_with_jitter;

/// Datagrams under way through one relay; more are lost, as on a full link.
const UNDER_WAY_MAX: usize = 4_096;

/// Finds the city of a prober from its id; the collector and strangers stand next door.
pub type CityOf = Arc<dyn Fn(ProbeId) -> Option<usize> + Send + Sync>;

/// The relay before one responder.
pub struct EchoRelay {
    /// City of the responder.
    pub city: usize,
    /// Where the responder listens.
    pub responder: SocketAddr,
    /// Whose packet it is.
    pub city_of: CityOf,
    /// The networks of all cities, by index.
    pub cuts: Vec<Cut>,
}

impl EchoRelay {
    /// Binds the relay; the probe advertises the address it returns.
    ///
    /// # Errors
    /// When no loopback port is free.
    pub async fn start(self, tasks: &mut JoinSet<io::Result<()>>) -> io::Result<SocketAddr> {
        let outside = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?);
        let inside = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?);
        let address = outside.local_addr()?;
        tasks.spawn(self.carry(outside, inside));
        Ok(address)
    }

    async fn carry(self, outside: Arc<UdpSocket>, inside: Arc<UdpSocket>) -> io::Result<()> {
        let mut askers: HashMap<[u8; 8], (SocketAddr, Duration)> = HashMap::new();
        let mut under_way = JoinSet::new();
        let (mut request, mut reply) = ([0; PACKET_BYTES + 1], [0; PACKET_BYTES + 1]);
        loop {
            tokio::select! {
                got = outside.recv_from(&mut request) => {
                    let (length, from) = got?;
                    let Some((prober, nonce)) = peek(&request[..length]) else { continue };
                    let city = (self.city_of)(prober);
                    if self.is_cut(city) || under_way.len() >= UNDER_WAY_MAX {
                        continue;
                    }
                    let there_and_back = match city {
                        Some(city) => rtt_with_jitter(city, self.city, rand::random()),
                        None => Duration::ZERO,
                    };
                    if askers.len() >= UNDER_WAY_MAX {
                        askers.clear(); // what was asked that long ago is lost
                    }
                    askers.insert(nonce, (from, there_and_back / 2));
                    let (to, packet) = (self.responder, request[..length].to_vec());
                    under_way.spawn(deliver(Arc::clone(&inside), to, packet, there_and_back / 2));
                }
                got = inside.recv_from(&mut reply) => {
                    let (length, _) = got?;
                    let Some((_, nonce)) = peek(&reply[..length]) else { continue };
                    let Some((to, way)) = askers.remove(&nonce) else { continue };
                    let packet = reply[..length].to_vec();
                    under_way.spawn(deliver(Arc::clone(&outside), to, packet, way));
                }
                Some(_) = under_way.join_next() => {}
            }
        }
    }

    fn is_cut(&self, other: Option<usize>) -> bool {
        let cut = |city: usize| self.cuts.get(city).is_some_and(Cut::is_cut);
        cut(self.city) || other.is_some_and(cut)
    }
}

async fn deliver(socket: Arc<UdpSocket>, to: SocketAddr, packet: Vec<u8>, way: Duration) {
    sleep(way).await;
    let _lost = socket.send_to(&packet, to).await; // a datagram that is not sent is a datagram that is lost
}

/// Prober and nonce of an echo packet.
fn peek(packet: &[u8]) -> Option<(ProbeId, [u8; 8])> {
    let prober = packet.get(8..16)?.try_into().ok()?;
    let nonce = packet.get(16..24)?.try_into().ok()?;
    (packet.len() == PACKET_BYTES).then(|| (ProbeId(u64::from_be_bytes(prober)), nonce))
}

/// Carries one probe's QUIC to the collector, until it is cut.
///
/// # Errors
/// When no loopback port is free.
pub async fn uplink(
    collector: SocketAddr,
    cut: Cut,
    tasks: &mut JoinSet<io::Result<()>>,
) -> io::Result<SocketAddr> {
    let outside = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let inside = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = outside.local_addr()?;
    tasks.spawn(async move {
        let mut probe = None;
        let (mut up, mut down) = (vec![0; 65_536], vec![0; 65_536]);
        loop {
            tokio::select! {
                got = outside.recv_from(&mut up) => {
                    let Ok((length, from)) = got else { continue };
                    probe = Some(from);
                    if !cut.is_cut() {
                        let _lost = inside.send_to(&up[..length], collector).await;
                    }
                }
                got = inside.recv_from(&mut down) => {
                    // the collector being away makes ICMP errors here: to the probe it is silence
                    let (Ok((length, _)), Some(probe)) = (got, probe) else { continue };
                    if !cut.is_cut() {
                        let _lost = outside.send_to(&down[..length], probe).await;
                    }
                }
            }
        }
    });
    Ok(address)
}
