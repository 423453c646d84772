//! Trying a token: the login page, its form, and how often anybody may try.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONNECTION, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use tokio::time::{Instant, timeout};

use crate::access::{Access, AccessToken};
use crate::root::root_from;
use crate::session::open_session;
use crate::throttle::Throttle;
use crate::visitor::Visitor;

/// The form holds a token and nothing else.
const FORM_BYTES_MAX: usize = 4_096;
/// A browser sends its form at once.
const FORM_TIME: Duration = Duration::from_secs(5);
/// Forms of one visitor that are read at once; their next one is told to come back.
const FORMS_OF_ONE_MAX: usize = 8;

/// Who may read the page, and how often a token may be tried.
pub(crate) struct Logins {
    access: Arc<Access>,
    now: Box<dyn Fn() -> Instant + Send + Sync>,
    throttle: Mutex<Throttle>,
    /// Whose forms are being read, how many of each: no more than there are connections.
    forms: Mutex<HashMap<Visitor, usize>>,
}

/// A form that is being read.
struct Reading<'a> {
    forms: &'a Mutex<HashMap<Visitor, usize>>,
    visitor: Visitor,
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        let mut forms = self.forms.lock().unwrap_or_else(PoisonError::into_inner);
        match forms.get_mut(&self.visitor) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(forms.remove(&self.visitor)),
        }
    }
}

/// What became of a try.
pub(crate) enum Tried {
    Right,
    Wrong,
    /// It was wrong, as too many before it.
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
            forms: Mutex::default(),
        }
    }

    /// The token, where one is needed.
    pub(crate) fn token(&self) -> Option<&AccessToken> {
        self.access.token()
    }

    /// Looks at what `visitor` says is the token, unless they guessed too often; wrong ones are counted.
    pub(crate) fn attempt(&self, visitor: Visitor, token: &AccessToken, candidate: &str) -> Tried {
        let mut throttle = self.throttle.lock().unwrap_or_else(PoisonError::into_inner);
        let now = (self.now)();
        if let Err(wait) = throttle.looks_at(visitor, now) {
            return Tried::TooOften { wait };
        }
        if token.is(candidate) {
            return Tried::Right;
        }
        match throttle.wrong(visitor, now) {
            Ok(()) => Tried::Wrong,
            Err(wait) => Tried::TooOften { wait },
        }
    }

    /// A place for a form of this visitor's, unless enough of theirs are being read.
    fn reading(&self, visitor: Visitor) -> Option<Reading<'_>> {
        let mut forms = self.forms.lock().unwrap_or_else(PoisonError::into_inner);
        let own = forms.entry(visitor).or_default();
        if *own >= FORMS_OF_ONE_MAX {
            return None;
        }
        *own += 1;
        Some(Reading {
            forms: &self.forms,
            visitor,
        })
    }
}

/// Opens a session for the token of the login page's form.
pub(crate) async fn login(State(logins): State<Arc<Logins>>, request: Request) -> Response {
    let Some(token) = logins.token() else {
        return (
            StatusCode::SEE_OTHER,
            [(LOCATION, root_from(request.uri().path()))],
        )
            .into_response();
    };
    let visitor = visitor_of(&request);
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    let form = match form(&logins, visitor, body).await {
        Ok(form) => form,
        Err(answer) => return ending(answer),
    };
    let candidate = url::form_urlencoded::parse(&form).find(|(key, _)| key == "token");
    let Some((_, candidate)) = candidate else {
        return page(true, path);
    };
    match logins.attempt(visitor, token, candidate.trim()) {
        Tried::Right => open_session(token, &head.headers, path),
        Tried::Wrong => page(true, path),
        Tried::TooOften { wait } => too_often(wait),
    }
}

/// Reads a form: a small one, soon, and few of one visitor at once.
async fn form(logins: &Logins, visitor: Visitor, body: Body) -> Result<axum::body::Bytes, Response> {
    let Some(_reading) = logins.reading(visitor) else {
        let text = "Too many logins from there are being read. Try again in a few seconds.\n";
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

/// The page with the form, as the answer at a path.
pub(crate) fn page(wrong: bool, path: &str) -> Response {
    let root = root_from(path);
    let note = if wrong {
        "<p>That token is not the right one.</p>"
    } else {
        ""
    };
    let page = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Isochrone</title>\n\
         <meta name=\"viewport\" content=\"width=device-width\"><meta name=\"color-scheme\" content=\"light dark\">\n\
         <h1>Isochrone</h1>{note}\n\
         <form method=\"post\" action=\"{root}login\"><p><label>Token: <input name=\"token\" type=\"password\" \
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
