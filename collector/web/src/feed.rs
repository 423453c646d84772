//! The event stream: a whole view first, then what changed, at most once a second.
//!
//! Nothing queues: a stream is polled only when its connection takes bytes, and then reads the newest
//! view. A browser that was slow misses the views in between, and a change is always against what that
//! very browser was sent last. One that takes nothing for 15 seconds is dropped (`serve.rs`).

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::header::{CACHE_CONTROL, CONTENT_ENCODING, HeaderName};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::view::LiveView;

/// Shortest time between two events of a stream.
const PACE: Duration = Duration::from_secs(1);

/// A comment after so much silence keeps proxies from closing the stream, and is something that a dead browser does
/// not take.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// A view as JSON, one text for each top-level key.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sections(BTreeMap<String, String>);

impl Sections {
    fn of(view: &LiveView) -> Result<Self, serde_json::Error> {
        let fields = match serde_json::to_value(view)? {
            serde_json::Value::Object(fields) => fields,
            _ => unreachable!("a struct with named fields is an object"),
        };
        Ok(Self(
            fields
                .into_iter()
                .map(|(key, value)| (key, value.to_string()))
                .collect(),
        ))
    }

    /// The whole view.
    pub(super) fn whole(&self) -> String {
        object(self.0.iter())
    }

    /// What differs from an earlier one; `None` if nothing does.
    fn changes_since(&self, earlier: &Self) -> Option<String> {
        let mut changed = self
            .0
            .iter()
            .filter(|(key, text)| earlier.0.get(*key) != Some(*text))
            .peekable();
        changed.peek()?;
        Some(object(changed))
    }
}

fn object<'a>(fields: impl Iterator<Item = (&'a String, &'a String)>) -> String {
    let fields: Vec<String> = fields.map(|(key, text)| format!("\"{key}\":{text}")).collect();
    format!("{{{}}}", fields.join(","))
}

/// Turns each view into JSON once, however many browsers follow.
#[derive(Default)]
pub(super) struct Renderer(Mutex<Option<(Arc<LiveView>, Arc<Sections>)>>);

impl Renderer {
    /// The view's JSON.
    ///
    /// # Errors
    /// A value that JSON cannot hold; the types of [`LiveView`] have none.
    pub(super) fn render(&self, view: &Arc<LiveView>) -> Result<Arc<Sections>, serde_json::Error> {
        let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, sections)) = newest.as_ref()
            && Arc::ptr_eq(of, view)
        {
            return Ok(Arc::clone(sections));
        }
        let sections = Arc::new(Sections::of(view)?);
        *newest = Some((Arc::clone(view), Arc::clone(&sections)));
        Ok(sections)
    }
}

/// What a proxy on the way is asked for. nginx collects an answer, and packs what it may, unless it is told not to.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
const NO_STORE: &str = "no-store, no-transform";

/// One browser's stream.
pub(super) struct Feed {
    live: watch::Receiver<Arc<LiveView>>,
    renderer: Arc<Renderer>,
    stop: CancellationToken,
    pace: Interval,
    sent: Option<Arc<Sections>>,
    _permit: OwnedSemaphorePermit,
}

impl Feed {
    pub(super) fn new(
        live: watch::Receiver<Arc<LiveView>>,
        renderer: Arc<Renderer>,
        stop: CancellationToken,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            live,
            renderer,
            stop,
            pace,
            sent: None,
            _permit: permit,
        }
    }

    /// The next event; `None` when the collector stops.
    ///
    /// # Cancel safety
    /// Nothing is taken from the channel before an event is returned.
    async fn next(&mut self) -> Option<Event> {
        let stop = self.stop.clone();
        tokio::select! {
            biased;
            () = stop.cancelled() => None,
            event = self.next_change() => event,
        }
    }

    async fn next_change(&mut self) -> Option<Event> {
        loop {
            if self.sent.is_some() {
                self.live.changed().await.ok()?;
            }
            self.pace.tick().await;
            let view = self.live.borrow_and_update().clone();
            let sections = match self.renderer.render(&view) {
                Ok(sections) => sections,
                Err(error) => {
                    tracing::error!(%error, "the live view cannot be written as JSON");
                    return None;
                }
            };
            let event = match &self.sent {
                None => Some(Event::default().event("view").data(sections.whole())),
                Some(sent) => sections
                    .changes_since(sent)
                    .map(|data| Event::default().event("change").data(data)),
            };
            self.sent = Some(sections);
            if event.is_some() {
                return event;
            }
        }
    }
}

impl IntoResponse for Feed {
    fn into_response(self) -> Response {
        let events = stream::unfold(self, |mut feed| async move {
            let event = feed.next().await?;
            Some((Ok::<_, Infallible>(event), feed))
        });
        let events = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
        (
            [
                (CACHE_CONTROL, NO_STORE),
                (ACCEL_BUFFERING, "no"),
                (CONTENT_ENCODING, "identity"),
            ],
            events,
        )
            .into_response()
    }
}
