//! TLS: certificates good and bad, over in-memory streams.

use rcgen::date_time_ymd;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::reach::fixture::{Authority, NOT_AFTER, authority, authority_called, leaf};

fn serving(config: Arc<rustls::ServerConfig>) -> Arc<Memory> {
    Memory::new(move |stream| {
        let acceptor = TlsAcceptor::from(Arc::clone(&config));
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                return;
            };
            read_request(&mut stream).await;
            sleep(Duration::from_millis(300)).await;
            write(&mut stream, b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await;
        }
    })
}

fn trusting(roots: TlsRoots, dial: Arc<Memory>) -> EndpointProber {
    EndpointProber::new(Arc::new(
        Reach::new(AddressPolicy::default(), roots, now).with_dial(dial),
    ))
}

async fn over_tls(dial: Arc<Memory>, authority: &Authority) -> CheckReport {
    let roots = TlsRoots::only(vec![authority.der().clone()]).unwrap();
    let prober = trusting(roots, dial);
    prober.check(&page(&format!("https://{NODE}/"))).await
}

#[tokio::test(start_paused = true)]
async fn good_certificate_is_accepted_and_its_end_noted() {
    let authority = authority();
    let report = over_tls(serving(leaf(&authority, NODE, |_| {})), &authority).await;
    assert_eq!(report.certificate_not_after, Some(NOT_AFTER));
    assert_eq!(
        report.to_outcome().certificate_expires,
        Some(NOT_AFTER.unsigned_abs())
    );
    let phases = answer(&report).phases;
    assert_eq!(
        phases.first_byte(),
        Duration::from_millis(300),
        "session tickets are no first byte"
    );
}

#[tokio::test(start_paused = true)]
async fn handshake_is_a_phase_of_its_own() {
    let authority = authority();
    let config = leaf(&authority, NODE, |_| {});
    let memory = Memory::new(move |stream| {
        let acceptor = TlsAcceptor::from(Arc::clone(&config));
        async move {
            sleep(Duration::from_millis(70)).await;
            let mut stream = acceptor.accept(stream).await.unwrap();
            read_request(&mut stream).await;
            write(&mut stream, b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        }
    });
    let phases = answer(&over_tls(memory, &authority).await).phases;
    assert_eq!(
        (phases.tls(), phases.first_byte()),
        (Duration::from_millis(70), Duration::ZERO)
    );
}

#[tokio::test(start_paused = true)]
async fn bad_certificates_are_told_apart_and_their_end_is_still_noted() {
    let (authority, stranger) = (authority(), authority_called("Stranger"));
    let expired = date_time_ymd(2020, 1, 1);
    let cases = [
        (
            leaf(&authority, NODE, |params| {
                (params.not_before, params.not_after) = (date_time_ymd(2019, 1, 1), expired)
            }),
            Cause::Failed(FailureCause::CertificateExpired),
            1_577_836_800,
        ),
        (
            leaf(&authority, NODE, |params| {
                params.not_before = date_time_ymd(2089, 1, 1)
            }),
            Cause::Failed(FailureCause::CertificateNotYetValid),
            NOT_AFTER,
        ),
        (
            leaf(&authority, "other.example.org", |_| {}),
            Cause::Failed(FailureCause::CertificateWrongName),
            NOT_AFTER,
        ),
        (
            leaf(&stranger, NODE, |_| {}),
            Cause::Failed(FailureCause::CertificateUnknownIssuer),
            NOT_AFTER,
        ),
    ];
    for (config, cause, not_after) in cases {
        let report = over_tls(serving(config), &authority).await;
        assert_eq!(broke(&report), (Phase::Tls, cause), "{report:?}");
        assert_eq!(report.certificate_not_after, Some(not_after));
    }
}

#[tokio::test(start_paused = true)]
async fn every_handshake_is_a_full_one() {
    let authority = authority();
    let config = leaf(&authority, NODE, |_| {});
    let kinds = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&kinds);
    let memory = Memory::new(move |stream| {
        let (acceptor, notes) = (TlsAcceptor::from(Arc::clone(&config)), Arc::clone(&notes));
        async move {
            let mut stream = acceptor.accept(stream).await.unwrap();
            notes.lock().unwrap().push((
                stream.get_ref().1.handshake_kind(),
                stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec),
            ));
            read_request(&mut stream).await;
            write(&mut stream, b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        }
    });
    for _ in 0..3 {
        answer(&over_tls(Arc::clone(&memory), &authority).await);
    }
    let roots = TlsRoots::only(vec![authority.der().clone()]).unwrap();
    let prober = trusting(roots, memory);
    for _ in 0..3 {
        answer(&prober.check(&page(&format!("https://{NODE}/"))).await);
    }
    let kinds = kinds.lock().unwrap();
    assert_eq!(kinds.len(), 6);
    assert!(
        kinds
            .iter()
            .all(|(kind, _)| *kind == Some(rustls::HandshakeKind::Full)),
        "{kinds:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn port_that_speaks_no_tls_breaks_the_handshake() {
    let authority = authority();
    let plain = Memory::new(|mut stream: DuplexStream| async move {
        write(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    });
    assert_eq!(
        broke(&over_tls(plain, &authority).await),
        (Phase::Tls, Cause::Failed(FailureCause::Tls))
    );
    let closes = Memory::new(|stream: DuplexStream| async move { drop(stream) });
    assert_eq!(broke(&over_tls(closes, &authority).await).0, Phase::Tls);
    let alerts = Memory::new(|mut stream: DuplexStream| async move {
        write(&mut stream, &[0x15, 3, 3, 0, 2, 2, 40]).await; // fatal, handshake_failure
        std::future::pending::<()>().await;
    });
    assert_eq!(
        broke(&over_tls(alerts, &authority).await),
        (Phase::Tls, Cause::Failed(FailureCause::TlsAlert))
    );
    let hangs = Memory::new(|stream: DuplexStream| async move {
        let _open = stream;
        std::future::pending::<()>().await;
    });
    assert_eq!(
        broke(&over_tls(hangs, &authority).await),
        (Phase::Tls, Cause::Failed(FailureCause::Timeout))
    );
}

#[tokio::test(start_paused = true)]
async fn machine_without_roots_fails_as_its_own_fault() {
    let authority = authority();
    let report = check(
        serving(leaf(&authority, NODE, |_| {})),
        &page(&format!("https://{NODE}/")),
    )
    .await;
    assert_eq!(broke(&report), (Phase::Tls, Cause::Unsent(SendFailure::Local)));
}

/// Breaks the handshake with one fatal alert.
fn alerting(alert: u8) -> Arc<Memory> {
    Memory::new(move |mut stream: DuplexStream| async move {
        write(&mut stream, &[0x15, 3, 3, 0, 2, 2, alert]).await;
        std::future::pending::<()>().await;
    })
}

/// Says `answer` over TLS and closes without a word about it, as many HTTP/1.0 servers do.
fn closing_after(config: &Arc<rustls::ServerConfig>, answer: &'static str) -> Arc<Memory> {
    let config = Arc::clone(config);
    Memory::new(move |stream| {
        let acceptor = TlsAcceptor::from(Arc::clone(&config));
        async move {
            let mut stream = acceptor.accept(stream).await.unwrap();
            read_request(&mut stream).await;
            write(&mut stream, answer.as_bytes()).await;
        }
    })
}

#[tokio::test(start_paused = true)]
async fn body_that_ends_with_the_connection_is_whole_without_a_word_of_tls() {
    let authority = authority();
    let config = leaf(&authority, NODE, |_| {});
    let report = over_tls(closing_after(&config, "HTTP/1.0 200 OK\r\n\r\nhello"), &authority).await;
    assert_eq!(answer(&report).body_bytes, 5);
    for cut in [
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ] {
        let report = over_tls(closing_after(&config, cut), &authority).await;
        let short = (Phase::Transfer, Cause::Failed(FailureCause::BodyTooShort));
        assert_eq!(broke(&report), short, "{cut}");
    }
}

async fn words(dial: Arc<Memory>, authority: &Authority) -> String {
    failure(&over_tls(dial, authority).await).text.to_string()
}

#[tokio::test(start_paused = true)]
async fn refusals_in_tls_say_what_the_server_wants() {
    let authority = authority();
    for (alert, part) in [
        (112, "knows no site called 8.8.8.8"),
        (120, "perhaps only HTTP/2"),
        (40, "no P-521"),
        (70, "TLS 1.2 and 1.3"),
        (116, "wants a certificate"),
    ] {
        let told = words(alerting(alert), &authority).await;
        assert!(told.contains(part), "{alert}: {told}");
    }
}

#[tokio::test(start_paused = true)]
async fn wrong_certificates_are_told_with_what_they_are() {
    let (authority, stranger) = (authority(), authority_called("Stranger"));
    let other = leaf(&authority, "other.example.org", |_| {});
    assert_eq!(
        words(serving(other), &authority).await,
        "the certificate is for other.example.org, not for 8.8.8.8"
    );
    let many = leaf(&authority, "a.example.org", |params| {
        let names = ["b.example.org", "c.example.org", "d.example.org", "e.example.org"];
        let names = names.map(|name| rcgen::SanType::DnsName(name.try_into().unwrap()));
        params.subject_alt_names.extend(names);
    });
    assert_eq!(
        words(serving(many), &authority).await,
        "the certificate is for a.example.org, b.example.org, c.example.org and 2 more, not for 8.8.8.8"
    );
    let unknown = words(serving(leaf(&stranger, NODE, |_| {})), &authority).await;
    assert!(unknown.contains("issuer, CN=Stranger"), "{unknown}");
    let expired = leaf(&authority, NODE, |params| {
        (params.not_before, params.not_after) = (date_time_ymd(2019, 1, 1), date_time_ymd(2020, 1, 1))
    });
    assert_eq!(
        words(serving(expired), &authority).await,
        "the certificate expired on 2020-01-01T00:00:00Z"
    );
}

/// A certificate that names itself as its issuer, as `openssl req -x509` makes it.
fn self_signed(
    name: &str,
    is_authority: bool,
) -> (
    Arc<rustls::ServerConfig>,
    rustls::pki_types::CertificateDer<'static>,
) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.not_after = date_time_ymd(9999, 12, 31);
    if is_authority {
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    }
    let certificate = params.self_signed(&key).unwrap().der().clone();
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    (Arc::new(config), certificate)
}

#[tokio::test(start_paused = true)]
async fn self_signed_certificate_in_the_trust_store_is_good_for_its_own_names() {
    let authority = authority();
    for is_authority in [false, true] {
        let (config, certificate) = self_signed(NODE, is_authority);
        let roots = TlsRoots::only(vec![certificate]).unwrap();
        let prober = trusting(roots, serving(Arc::clone(&config)));
        let report = prober.check(&page(&format!("https://{NODE}/"))).await;
        assert_eq!(answer(&report).status, 200);
        let report = over_tls(serving(config), &authority).await;
        assert_eq!(
            broke(&report),
            (Phase::Tls, Cause::Failed(FailureCause::CertificateUnknownIssuer))
        );
        assert!(
            failure(&report).text.as_str().contains("self-signed"),
            "{report:?}"
        );
        let (config, certificate) = self_signed("other.example.org", is_authority);
        let roots = TlsRoots::only(vec![certificate]).unwrap();
        let report = trusting(roots, serving(config))
            .check(&page(&format!("https://{NODE}/")))
            .await;
        assert_eq!(
            broke(&report),
            (Phase::Tls, Cause::Failed(FailureCause::CertificateWrongName))
        );
    }
}

#[test]
fn certificate_without_an_end_has_one_in_words() {
    assert_eq!(crate::reach::instant(253_402_300_799), "9999-12-31T23:59:59Z");
    assert_eq!(crate::reach::instant(0), "1970-01-01T00:00:00Z");
}
