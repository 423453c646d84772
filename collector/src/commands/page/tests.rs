use isochrone_store::StoreError;

use super::*;

#[test]
fn only_a_mesh_that_is_not_there_yet_is_asked_again_later() {
    let store_failed = ReportFailure::Store(StoreError::Reopening);
    assert!(matches!(
        ReportError::from(store_failed),
        ReportError::Store { .. }
    ));
    for error in [report::ReportError::NoNode, report::ReportError::NoVantage] {
        let error = ReportError::from(ReportFailure::Build(error));
        assert!(matches!(error, ReportError::NotYet { .. }), "{error}");
    }
    let no_time = report::ReportError::Target { target_ms: -1.0 };
    let error = ReportError::from(ReportFailure::Build(no_time));
    assert!(matches!(error, ReportError::BadQuery { .. }), "{error}");
}

#[tokio::test]
async fn reader_that_leaves_keeps_its_turn_until_the_reading_ends() {
    let turns = Arc::new(Semaphore::new(1));
    let turn = Arc::clone(&turns).acquire_owned().await.ok();
    let (go_on, wait) = std::sync::mpsc::channel::<()>();
    let mut asked = Box::pin(reading(turn, move || {
        let _told = wait.recv();
        Ok(())
    }));
    assert!(futures_util::poll!(&mut asked).is_pending());
    drop(asked);
    assert_eq!(turns.available_permits(), 0, "the log is still being read");
    drop(go_on);
    let _free = turns.acquire().await.unwrap();
}

#[test]
fn window_that_begins_in_the_future_is_refused_and_one_that_ends_there_is_not() {
    let now = UnixMillis(1_795_316_400_000);
    let asked = |query: &str| window(&ReportQuery::parse(query).unwrap(), now);
    let error = asked("from=2099-01-01T00:00:00Z").unwrap_err().to_string();
    assert!(
        error.contains("2099") && error.contains("still to come"),
        "{error}"
    );
    assert!(asked("from=2026-11-01T00:00:00Z&to=2099-01-01T00:00:00Z").is_ok());
    assert!(ReportQuery::parse("from=1969-12-31T00:00:00Z").is_err());
}
