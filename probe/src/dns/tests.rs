use std::net::Ipv4Addr;

use hickory_resolver::proto::op::{Message, OpCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, CNAME};
use hickory_resolver::proto::rr::{RData, Record};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use super::*;

/// A real name server on loopback that answers by a script.
pub(crate) struct FakeNames {
    pub(crate) address: SocketAddr,
    tasks: JoinSet<()>,
}

impl FakeNames {
    /// `script` gets the name without its last dot and the record type. `None`: no answer at all.
    pub(crate) async fn start(
        script: impl Fn(&str, RecordType) -> Option<Result<Vec<RData>, ResponseCode>> + Send + 'static,
    ) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut buffer = [0; 2048];
            loop {
                let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                let asked = Message::from_vec(&buffer[..length]).unwrap();
                let query = asked.queries[0].clone();
                let name = query.name().to_ascii();
                let Some(scripted) = script(name.trim_end_matches('.'), query.query_type()) else {
                    continue;
                };
                let mut answer = Message::response(asked.metadata.id, OpCode::Query);
                answer.queries.push(query.clone());
                match scripted {
                    Ok(records) => {
                        answer.answers = records
                            .into_iter()
                            .map(|data| Record::from_rdata(query.name().clone(), 60, data))
                            .collect();
                    }
                    Err(code) => answer.metadata.response_code = code,
                }
                socket.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
            }
        });
        Self { address, tasks }
    }

    pub(crate) fn resolver(&self) -> NameResolver {
        assert!(!self.tasks.is_empty());
        NameResolver::with_servers(vec![self.address])
    }
}

pub(crate) fn v4(text: &str) -> RData {
    RData::A(A(text.parse().unwrap()))
}

fn v6(text: &str) -> RData {
    RData::AAAA(AAAA(text.parse().unwrap()))
}

async fn cause(names: &FakeNames, name: &str, family: Family) -> Cause {
    names.resolver().resolve(name, family).await.unwrap_err().cause
}

#[tokio::test]
async fn each_family_gets_its_own_addresses_in_the_answers_order() {
    let names = FakeNames::start(|_, record| {
        Some(Ok(match record {
            RecordType::A => vec![v4("192.0.2.9"), v4("192.0.2.1")],
            _ => vec![v6("2001:db8::5")],
        }))
    })
    .await;
    let found = names.resolver().resolve("node.test", Family::V4).await.unwrap();
    assert_eq!(
        found,
        [
            "192.0.2.9".parse::<IpAddr>().unwrap(),
            "192.0.2.1".parse().unwrap()
        ]
    );
    let found = names.resolver().resolve("node.test", Family::V6).await.unwrap();
    assert_eq!(found, ["2001:db8::5".parse::<IpAddr>().unwrap()]);
}

#[tokio::test]
async fn failures_are_told_apart() {
    let names = FakeNames::start(|name, record| match (name, record) {
        ("gone.test", _) => Some(Err(ResponseCode::NXDomain)),
        ("broken.test", _) => Some(Err(ResponseCode::ServFail)),
        ("refused.test", _) => Some(Err(ResponseCode::Refused)),
        ("v4only.test", RecordType::A) => Some(Ok(vec![v4("192.0.2.1")])),
        ("v4only.test", _) => Some(Ok(vec![])),
        _ => None,
    })
    .await;
    assert_eq!(
        cause(&names, "gone.test", Family::V4).await,
        Cause::Failed(FailureCause::NxDomain)
    );
    assert_eq!(
        cause(&names, "broken.test", Family::V4).await,
        Cause::Failed(FailureCause::ServFail)
    );
    assert_eq!(
        cause(&names, "refused.test", Family::V4).await,
        Cause::Failed(FailureCause::ServFail)
    );
    assert_eq!(
        cause(&names, "v4only.test", Family::V6).await,
        Cause::Failed(FailureCause::NoAddress)
    );
    assert!(names.resolver().resolve("v4only.test", Family::V4).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn silent_name_server_is_a_timeout() {
    let names = FakeNames::start(|_, _| None).await;
    let error = names
        .resolver()
        .resolve("silent.test", Family::V4)
        .await
        .unwrap_err();
    assert_eq!(
        (error.cause, error.text.as_str()),
        (
            Cause::Failed(FailureCause::DnsTimeout),
            "no name server answered for silent.test"
        )
    );
}

fn alias(to: &str) -> Option<Result<Vec<RData>, ResponseCode>> {
    let to = Name::from_ascii(to).unwrap();
    Some(Ok(vec![RData::CNAME(CNAME(to))]))
}

#[tokio::test]
async fn alias_without_an_address_is_no_address_and_told_with_where_it_leads() {
    let names = FakeNames::start(|name, _| match name {
        "alias.test" => alias("elsewhere.test."),
        _ => Some(Ok(vec![])),
    })
    .await;
    let error = names
        .resolver()
        .resolve("alias.test", Family::V4)
        .await
        .unwrap_err();
    assert_eq!(
        (error.cause, error.text.as_str()),
        (
            Cause::Failed(FailureCause::NoAddress),
            "no IPv4 address behind the alias alias.test → elsewhere.test"
        )
    );
}

#[tokio::test]
async fn aliases_in_a_circle_are_the_zones_fault_and_told_as_a_circle() {
    let names = FakeNames::start(|name, _| match name {
        "one.test" => alias("two.test."),
        "two.test" => alias("three.test."),
        _ => alias("one.test."),
    })
    .await;
    let error = names
        .resolver()
        .resolve("one.test", Family::V4)
        .await
        .unwrap_err();
    assert_eq!(
        (error.cause, error.text.as_str()),
        (
            Cause::Failed(FailureCause::ServFail),
            "the aliases (CNAME) lead in a circle: one.test → two.test → three.test → one.test"
        )
    );
}

#[tokio::test]
async fn every_lookup_asks_again() {
    use std::sync::atomic::{AtomicU8, Ordering};
    let asked = Arc::new(AtomicU8::new(0));
    let counter = Arc::clone(&asked);
    let names = FakeNames::start(move |_, _| {
        let turn = counter.fetch_add(1, Ordering::SeqCst);
        Some(Ok(vec![RData::A(A(Ipv4Addr::new(192, 0, 2, turn)))]))
    })
    .await;
    let resolver = names.resolver();
    for turn in 0..3 {
        let found = resolver.resolve("moving.test", Family::V4).await.unwrap();
        assert_eq!(found, [IpAddr::V4(Ipv4Addr::new(192, 0, 2, turn))]);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn impossible_name_is_not_asked_for() {
    let names = FakeNames::start(|_, _| panic!("asked")).await;
    assert_eq!(
        cause(&names, &"a".repeat(64), Family::V4).await,
        Cause::Failed(FailureCause::NxDomain)
    );
}

#[tokio::test]
async fn hosts_file_is_honoured() {
    let hosts = std::fs::read_to_string(HOSTS).unwrap_or_default();
    assert!(
        hosts.contains("localhost"),
        "SKIP would hide it: /etc/hosts of a Linux machine names localhost"
    );
    let found = NameResolver::system()
        .resolve("localhost", Family::V4)
        .await
        .unwrap();
    assert!(found.iter().all(IpAddr::is_loopback));
}
