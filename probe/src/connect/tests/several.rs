//! Names with several addresses, some of which take no connection.

use super::*;

/// Addresses that take no connection: each is silent or refuses; the others answer at once.
struct Partly {
    mute: Vec<IpAddr>,
    refusing: Vec<IpAddr>,
    rest: Arc<Memory>,
    asked: Mutex<Vec<IpAddr>>,
}

impl crate::reach::Dial for Partly {
    fn connect(
        &self,
        to: SocketAddr,
    ) -> futures_util::future::BoxFuture<'_, io::Result<crate::reach::Connection>> {
        Box::pin(async move {
            self.asked.lock().unwrap().push(to.ip());
            if self.mute.contains(&to.ip()) {
                return std::future::pending().await;
            }
            if self.refusing.contains(&to.ip()) {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            self.rest.connect(to).await
        })
    }
}

/// What became of a connection to a name with these addresses, and which were asked.
async fn to_several(addresses: &[&str], mute: &[&str], refusing: &[&str]) -> (ConnectReport, Vec<IpAddr>) {
    let parsed = |texts: &[&str]| -> Vec<IpAddr> { texts.iter().map(|text| text.parse().unwrap()).collect() };
    let mut rest = silent();
    Arc::get_mut(&mut rest).unwrap().connect_takes = Duration::from_millis(50);
    let dial = Arc::new(Partly {
        mute: parsed(mute),
        refusing: parsed(refusing),
        rest,
        asked: Mutex::default(),
    });
    let names = crate::dns::NameResolver::fixed(parsed(addresses));
    let reach = Reach::new(AddressPolicy::default(), TlsRoots::only(vec![]).unwrap(), now)
        .with_resolver(names)
        .with_dial(Arc::clone(&dial) as Arc<dyn crate::reach::Dial>);
    let report = connect(&reach, &request("http://node.test/")).await;
    let asked = dial.asked.lock().unwrap().clone();
    (report, asked)
}

#[tokio::test(start_paused = true)]
async fn second_address_answers_where_the_first_refuses_or_is_silent() {
    for (mute, refusing, cause) in [
        (&[][..], &["8.8.8.8"][..], FailureCause::Refused),
        (&["8.8.8.8"][..], &[][..], FailureCause::Timeout),
    ] {
        let (report, asked) = to_several(&["8.8.8.8", "8.8.4.4"], mute, refusing).await;
        let took = phases(&report);
        assert_eq!(report.address, Some("8.8.4.4:80".parse().unwrap()));
        assert_eq!(report.to_outcome().address, Some("8.8.4.4".parse().unwrap()));
        assert_eq!(
            asked,
            ["8.8.8.8".parse::<IpAddr>().unwrap(), "8.8.4.4".parse().unwrap()]
        );
        let tried: Vec<_> = report
            .tried
            .iter()
            .map(|tried| (tried.address.to_string(), tried.cause))
            .collect();
        assert_eq!(tried, [("8.8.8.8:80".to_owned(), cause)]);
        assert_eq!(
            took.connect(),
            Duration::from_millis(50),
            "the round trip to the one that answered, and nothing of the other"
        );
        assert!(took.total() < Duration::from_secs(4), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn addresses_that_all_fail_are_all_told_within_the_limit() {
    let (report, _) = to_several(&["8.8.8.8", "8.8.4.4"], &["8.8.4.4"], &["8.8.8.8"]).await;
    let failure = report.result.as_ref().unwrap_err();
    assert_eq!(broke(&report), (Phase::Connect, FailureCause::Timeout.into()));
    let text = failure.text.as_str();
    assert_eq!(
        text,
        "the connection was not answered in 4s; before, 8.8.8.8: refused"
    );
    assert_eq!(report.address, Some("8.8.4.4:80".parse().unwrap()));
    assert_eq!(failure.elapsed, Duration::from_secs(4));
}

#[tokio::test(start_paused = true)]
async fn forbidden_address_among_several_is_never_dialled_and_the_next_one_is() {
    let (report, asked) = to_several(&["10.0.0.1", "8.8.4.4"], &[], &[]).await;
    assert!(report.result.is_ok(), "{report:?}");
    assert_eq!(asked, ["8.8.4.4".parse::<IpAddr>().unwrap()]);
}

#[tokio::test(start_paused = true)]
async fn addresses_that_were_not_tried_are_told() {
    let all = [
        "8.8.8.1", "8.8.8.2", "8.8.8.3", "8.8.8.4", "8.8.8.5", "8.8.8.6", "8.8.8.7", "8.8.8.8",
    ];
    let (report, asked) = to_several(&all, &[], &all[..4]).await;
    assert_eq!(asked.len(), 4);
    let text = report.result.as_ref().unwrap_err().text.as_str();
    assert!(text.ends_with("; 4 of its 8 addresses were tried"), "{text}");
    let (report, _) = to_several(&all, &[], &[]).await;
    assert!(report.result.is_ok());
}
