//! Trying a token: the login page, its form, and how often anybody may try.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONNECTION, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use crate::access::{Access, AccessToken};
use crate::session::open_session;
use crate::throttle::Throttle;
use crate::visitor::Visitor;

/// The form holds a token and nothing else.
const FORM_BYTES_MAX: usize = 4_096;
/// A browser sends its form at once.
const FORM_TIME: Duration = Duration::from_secs(5);
/// Forms that are read at once; the next one is told to come back.
const FORMS_MAX: usize = 8;

/// Who may read the page, and how often a token may be tried.
pub(crate) struct Logins {
    access: Arc<Access>,
    now: Box<dyn Fn() -> Instant + Send + Sync>,
    throttle: Mutex<Throttle>,
    forms: Semaphore,
}

/// What became of a try.
pub(crate) enum Tried {
    Right,
    Wrong,
    /// It was not looked at.
    TooOften {
        wait: Duration,
    },
}

impl Logins {
    pub(crate) fn new(access: Arc<Access>, now: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        Self {
            access,
            now: Box::new(now),
            throttle: Mutex::default(),
            forms: Semaphore::new(FORMS_MAX),
        }
    }

    /// The token, where one is needed.
    pub(crate) fn token(&self) -> Option<&AccessToken> {
        self.access.token()
    }

    /// Looks at what `visitor` says is the token, unless there were too many wrong ones.
    pub(crate) fn attempt(&self, visitor: Visitor, token: &AccessToken, candidate: &str) -> Tried {
        let now = (self.now)();
        let mut throttle = self.throttle.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(wait) = throttle.admits(visitor, now) {
            return Tried::TooOften { wait };
        }
        if token.is(candidate) {
            throttle.right(visitor);
            return Tried::Right;
        }
        throttle.wrong(visitor, now);
        Tried::Wrong
    }

    /// Whether a token of this visitor's would be looked at now.
    fn admits(&self, visitor: Visitor) -> Result<(), Duration> {
        let throttle = self.throttle.lock().unwrap_or_else(PoisonError::into_inner);
        throttle.admits(visitor, (self.now)())
    }
}

/// Opens a session for the token of the login page's form.
pub(crate) async fn login(State(logins): State<Arc<Logins>>, request: Request) -> Response {
    let Some(token) = logins.token() else {
        return (StatusCode::SEE_OTHER, [(LOCATION, "/")]).into_response();
    };
    let visitor = visitor_of(&request);
    let (head, body) = request.into_parts();
    if let Err(wait) = logins.admits(visitor) {
        return ending(too_often(wait)); // its body is not waited for
    }
    let form = match form(&logins, body).await {
        Ok(form) => form,
        Err(answer) => return ending(answer),
    };
    let candidate = url::form_urlencoded::parse(&form).find(|(key, _)| key == "token");
    let Some((_, candidate)) = candidate else {
        return page(true);
    };
    match logins.attempt(visitor, token, candidate.trim()) {
        Tried::Right => open_session(token, &head.headers),
        Tried::Wrong => page(true),
        Tried::TooOften { wait } => too_often(wait),
    }
}

/// Reads a form: a small one, soon, and few of them at once.
async fn form(logins: &Logins, body: Body) -> Result<axum::body::Bytes, Response> {
    let Ok(_place) = logins.forms.try_acquire() else {
        let text = "Too many logins are being read. Try again in a few seconds.\n";
        return Err((StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "5")], text).into_response());
    };
    match timeout(FORM_TIME, to_bytes(body, FORM_BYTES_MAX)).await {
        Ok(Ok(form)) => Ok(form),
        Ok(Err(_)) => {
            let text = "The form was cut off, or holds more than a token.\n";
            Err((StatusCode::BAD_REQUEST, text).into_response())
        }
        Err(_) => {
            let text = "The form did not come in time.\n";
            Err((StatusCode::REQUEST_TIMEOUT, text).into_response())
        }
    }
}

/// The connection ends with this answer: whoever still sends gives their place to another.
fn ending(mut answer: Response) -> Response {
    let close = axum::http::HeaderValue::from_static("close");
    answer.headers_mut().insert(CONNECTION, close);
    answer
}

/// Whom a request comes from.
pub(crate) fn visitor_of(request: &Request) -> Visitor {
    let peer = request.extensions().get::<Visitor>().copied();
    peer.unwrap_or_default().behind(request.headers())
}

/// The answer to one who tried too many wrong tokens.
pub(crate) fn too_often(wait: Duration) -> Response {
    let seconds = wait.as_millis().div_ceil(1_000);
    let text = format!("Too many wrong tokens were tried. Try again in {seconds} s.\n");
    let headers = [(RETRY_AFTER, seconds.to_string())];
    (StatusCode::TOO_MANY_REQUESTS, headers, text).into_response()
}

/// The page with the form.
pub(crate) fn page(wrong: bool) -> Response {
    let note = if wrong {
        "<p>That token is not the right one.</p>"
    } else {
        ""
    };
    let page = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Isochrone</title>\n\
         <meta name=\"viewport\" content=\"width=device-width\"><meta name=\"color-scheme\" content=\"light dark\">\n\
         <h1>Isochrone</h1>{note}\n\
         <form method=\"post\" action=\"/login\"><p><label>Token: <input name=\"token\" type=\"password\" \
         autocomplete=\"current-password\" required autofocus></label> <button>Open</button></p></form>\n\
         <p>It is <code>web_token</code> in the collector's <code>collector.toml</code>.</p>\n"
    );
    (
        StatusCode::UNAUTHORIZED,
        [(CONTENT_TYPE, "text/html; charset=utf-8")],
        page,
    )
        .into_response()
}
