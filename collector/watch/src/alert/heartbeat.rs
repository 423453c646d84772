//! The collector's own sign of life: a URL asked once an interval while it works. A watchdog elsewhere
//! alerts when it stops, which the collector itself never could.

use std::sync::Arc;
use std::time::Duration;

use isochrone_base::clock::Clock;
use isochrone_proto::units::UnixMillis;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{AlertsConfig, Deliver, Request};

/// Verdicts older than this mean that the collector does not do its work: no heartbeat then.
const STUCK_AFTER: Duration = Duration::from_secs(60);

/// Asks the heartbeat's URL once an interval, as long as `judged`, the instant of the newest verdicts, moves
/// on. The first failure after a success is logged. Ends at once if no URL is configured.
///
/// # Cancel safety
/// Nothing is lost when it is dropped.
pub async fn run(
    config: AlertsConfig,
    deliver: Arc<dyn Deliver>,
    clock: Clock,
    judged: watch::Receiver<UnixMillis>,
    stop: CancellationToken,
) {
    let Some(request) = request(&config) else { return };
    let mut is_failing = false;
    loop {
        let is_stuck = clock.wall().since(*judged.borrow()) > STUCK_AFTER;
        let error = if is_stuck {
            Some("no heartbeat sent: verdicts are not made any more".to_owned())
        } else {
            let (deliver, request) = (Arc::clone(&deliver), request.clone());
            let beat = tokio::task::spawn_blocking(move || deliver.deliver(&request));
            match beat.await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(error) => Some(error.to_string()),
            }
        };
        if let Some(error) = error.as_ref().filter(|_| !is_failing) {
            tracing::warn!(%error, "heartbeat failed");
        }
        is_failing = error.is_some();
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(config.heartbeat_interval) => {}
        }
    }
}

fn request(config: &AlertsConfig) -> Option<Request> {
    Some(Request {
        receiver: "heartbeat",
        url: config.heartbeat_url.clone()?,
        method: config.heartbeat_method,
        id: String::new(),
        body: None,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::alert::{DeliverError, SecretUrl};

    #[derive(Default)]
    struct Count(Mutex<u32>);

    impl Deliver for Count {
        fn deliver(&self, request: &Request) -> Result<(), DeliverError> {
            assert_eq!(request.body, None);
            *self.0.lock().unwrap() += 1;
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn heart_beats_once_an_interval_and_stops_when_verdicts_do() {
        let clock = Clock::virtual_from(UnixMillis(1_000_000_000));
        let config = AlertsConfig {
            heartbeat_url: Some(SecretUrl::try_from("http://hc.example.org/x".to_owned()).unwrap()),
            ..AlertsConfig::default()
        };
        let count = Arc::new(Count::default());
        let (judged, judged_seen) = watch::channel(clock.wall());
        let stop = CancellationToken::new();
        let heart = run(config, count.clone(), clock.clone(), judged_seen, stop.clone());
        let script = async {
            for _ in 0..3 {
                tokio::time::sleep(Duration::from_secs(59)).await;
                judged.send_replace(clock.wall());
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            let beats = *count.0.lock().unwrap();
            assert!((3..=4).contains(&beats), "{beats} beats in three minutes");
            tokio::time::sleep(Duration::from_secs(600)).await;
            let later = *count.0.lock().unwrap();
            assert!(later <= beats + 2, "{later} beats although verdicts stopped");
            stop.cancel();
        };
        tokio::join!(heart, script);
    }
}
