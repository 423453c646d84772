use super::*;

const LONG: Duration = Duration::from_secs(20);
const EPOCH: KeyEpoch = KeyEpoch(5);
const SECRET: ResponderSecret = ResponderSecret([3; 32]);

#[expect(
    clippy::disallowed_methods,
    reason = "real sockets are timed by the real clock"
)]
fn now() -> Instant {
    Instant::now()
}

fn key() -> PairKey {
    PairKey::derive(&SECRET, ProbeId::COLLECTOR, EPOCH)
}

async fn responder(local: &str) -> UdpSocket {
    UdpSocket::bind(local).await.unwrap()
}

/// The next request, opened, and where it came from.
async fn request(responder: &UdpSocket) -> (EchoPacket, [u8; PACKET_BYTES], SocketAddr) {
    let mut bytes = [0; 100];
    let (length, from) = timeout(LONG, responder.recv_from(&mut bytes))
        .await
        .expect("a request comes")
        .unwrap();
    let request = Sealed::parse(&bytes[..length]).unwrap().open(&key()).unwrap();
    (request, bytes[..length].try_into().unwrap(), from)
}

#[tokio::test]
async fn address_that_answers_is_verified_over_both_families() {
    let check = EchoCheck::bind(now).await.unwrap();
    for local in ["127.0.0.1:0", "[::1]:0"] {
        let responder = responder(local).await;
        let address = responder.local_addr().unwrap();
        let answer = async {
            let (request, _, from) = request(&responder).await;
            assert_eq!(request.prober, ProbeId::COLLECTOR);
            assert_eq!((request.key_epoch, request.sequence), (EPOCH, 1));
            responder
                .send_to(&request.reply(7).seal(&key()), from)
                .await
                .unwrap();
        };
        let (verdict, ()) = tokio::join!(check.check(&SECRET, EPOCH, address), answer);
        assert!(matches!(verdict, Verdict::Verified { .. }), "{verdict:?}");
        assert!(check.0.v4.as_ref().unwrap().waiting().is_empty());
    }
}

#[tokio::test]
async fn lost_request_is_repeated() {
    let check = EchoCheck::bind(now).await.unwrap();
    let responder = responder("127.0.0.1:0").await;
    let address = responder.local_addr().unwrap();
    let answer = async {
        let (first, ..) = request(&responder).await; // lost
        let (second, _, from) = request(&responder).await;
        assert_ne!(first.nonce, second.nonce);
        responder
            .send_to(&second.reply(7).seal(&key()), from)
            .await
            .unwrap();
    };
    let (verdict, ()) = tokio::join!(check.check(&SECRET, EPOCH, address), answer);
    assert!(matches!(verdict, Verdict::Verified { .. }), "{verdict:?}");
}

#[tokio::test]
async fn silence_is_no_answer_after_three_requests() {
    let check = EchoCheck::bind(now).await.unwrap();
    let silent = responder("127.0.0.1:0").await;
    let address = silent.local_addr().unwrap();
    let verdict = check.check(&SECRET, EPOCH, address).await;
    assert!(matches!(verdict, Verdict::NoAnswer), "{verdict:?}");
    for sequence in 1..=ATTEMPTS {
        assert_eq!(request(&silent).await.0.sequence, sequence);
    }
    let mut bytes = [0; 100];
    assert!(silent.try_recv(&mut bytes).is_err(), "no fourth request");
    assert!(check.0.v4.as_ref().unwrap().waiting().is_empty());
}

#[tokio::test]
async fn answers_without_the_secret_or_from_elsewhere_verify_nothing() {
    let check = EchoCheck::bind(now).await.unwrap();
    let liar = responder("127.0.0.1:0").await;
    let elsewhere = responder("127.0.0.1:0").await;
    let address = liar.local_addr().unwrap();
    let answers = async {
        for _ in 0..ATTEMPTS {
            let (request, bytes, from) = request(&liar).await;
            let guessed = PairKey::derive(&ResponderSecret([4; 32]), ProbeId::COLLECTOR, EPOCH);
            let other_prober = EchoPacket {
                prober: ProbeId(1),
                ..request.reply(0)
            };
            let right = request.reply(0).seal(&key());
            let mut long = right.to_vec();
            long.push(0);
            liar.send_to(&bytes, from).await.unwrap(); // a reflector
            liar.send_to(&request.reply(0).seal(&guessed), from)
                .await
                .unwrap();
            liar.send_to(&other_prober.seal(&key()), from).await.unwrap();
            liar.send_to(&right[..47], from).await.unwrap();
            liar.send_to(&long, from).await.unwrap();
            elsewhere.send_to(&right, from).await.unwrap();
        }
    };
    let (verdict, ()) = tokio::join!(check.check(&SECRET, EPOCH, address), answers);
    assert!(matches!(verdict, Verdict::NoAnswer), "{verdict:?}");
}

#[tokio::test]
async fn address_of_no_single_machine_is_not_asked() {
    let check = EchoCheck::bind(now).await.unwrap();
    for text in [
        "0.0.0.0:7472",
        "255.255.255.255:7472",
        "224.0.0.1:7472",
        "127.0.0.1:0",
        "[::]:7472",
        "[ff02::1]:7472",
    ] {
        let verdict = check.check(&SECRET, EPOCH, text.parse().unwrap()).await;
        let refused = matches!(verdict, Verdict::CannotSend(CannotSend::NotUnicast { .. }));
        assert!(refused, "{text}: {verdict:?}");
    }
}

#[tokio::test]
async fn checks_at_once_share_the_socket_and_keep_their_answers_apart() {
    let check = EchoCheck::bind(now).await.unwrap();
    let answering = responder("127.0.0.1:0").await;
    let silent = responder("127.0.0.1:0").await;
    let answer = async {
        for _ in 0..10 {
            let (request, _, from) = request(&answering).await;
            answering
                .send_to(&request.reply(0).seal(&key()), from)
                .await
                .unwrap();
        }
    };
    let right = answering.local_addr().unwrap();
    let verified = futures_util::future::join_all((0..10).map(|_| check.check(&SECRET, EPOCH, right)));
    let unanswered = check.check(&SECRET, EPOCH, silent.local_addr().unwrap());
    let (verified, unanswered, ()) = tokio::join!(verified, unanswered, answer);
    assert!(
        verified
            .iter()
            .all(|verdict| matches!(verdict, Verdict::Verified { .. })),
        "{verified:?}"
    );
    assert!(matches!(unanswered, Verdict::NoAnswer), "{unanswered:?}");
}
