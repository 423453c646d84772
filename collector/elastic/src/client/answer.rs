//! What a node said.

use std::time::Duration;

use bytes::Bytes;
use isochrone_proto::text::cleaned;
use serde_json::Value;

use super::RequestError;

/// What a node said, as bytes.
#[derive(Clone, Debug)]
pub struct RawAnswer {
    /// Which node, and which of its paths.
    pub url: String,
    /// The status of HTTP.
    pub status: u16,
    /// How long it asks not to be asked again.
    pub retry_after: Option<Duration>,
    /// The body.
    pub bytes: Bytes,
}

/// What a node said, as JSON.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Which node, and which of its paths.
    pub url: String,
    /// The status of HTTP.
    pub status: u16,
    /// How long it asks not to be asked again.
    pub retry_after: Option<Duration>,
    /// The body; of a refusal that is not JSON (a proxy's) its text.
    pub body: Value,
    /// How long it was, in bytes.
    pub length: usize,
}

impl RawAnswer {
    /// Whether it is a success.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        matches!(self.status, 200..=299)
    }

    /// Reads the body.
    ///
    /// # Errors
    /// When a success is not JSON: it was cut, or whoever answered is no Elasticsearch.
    pub fn read(self) -> Result<Answer, RequestError> {
        let length = self.bytes.len();
        let body = match serde_json::from_slice(&self.bytes) {
            Ok(body) => body,
            Err(_) if self.bytes.is_empty() => Value::Null, // of HEAD
            Err(_) if !self.is_success() => Value::String(self.excerpt()),
            Err(source) => {
                return Err(RequestError::NotJson {
                    text: self.excerpt(),
                    url: self.url,
                    source,
                });
            }
        };
        let Self {
            url,
            status,
            retry_after,
            ..
        } = self;
        Ok(Answer {
            url,
            status,
            retry_after,
            body,
            length,
        })
    }

    fn excerpt(&self) -> String {
        let text = String::from_utf8_lossy(&self.bytes[..self.bytes.len().min(EXCERPT)]);
        cleaned(&text).into_owned()
    }
}

impl Answer {
    /// Whether it is a success.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        matches!(self.status, 200..=299)
    }

    /// The body of a success.
    ///
    /// # Errors
    /// [`RequestError::Refused`] for any other status.
    pub fn success(self) -> Result<Value, RequestError> {
        match self.is_success() {
            true => Ok(self.body),
            false => Err(self.refusal()),
        }
    }

    /// It as an error, with the server's reason.
    #[must_use]
    pub fn refusal(&self) -> RequestError {
        RequestError::Refused {
            url: self.url.clone(),
            status: self.status,
            reason: reason(&self.body),
        }
    }
}

/// The server's words in an answer or in an item of one: type and reason of `error`, with the innermost cause.
#[must_use]
pub fn reason(body: &Value) -> String {
    let error = body.get("error").unwrap_or(body);
    let words = |error: &Value| {
        let kind = error.get("type").and_then(Value::as_str);
        let reason = error.get("reason").and_then(Value::as_str);
        match (kind, reason) {
            (Some(kind), Some(reason)) => Some(format!("{kind}: {reason}")),
            (Some(one), None) | (None, Some(one)) => Some(one.to_owned()),
            (None, None) => None,
        }
    };
    let mut innermost = error;
    while let Some(cause) = innermost.get("caused_by") {
        innermost = cause;
    }
    let said = match (words(error), words(innermost)) {
        (Some(outer), Some(inner)) if outer != inner => format!("{outer} ({inner})"),
        (Some(only), _) => only,
        (None, _) => match error {
            Value::Null => "nothing said".to_owned(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        },
    };
    let said: String = said.chars().take(REASON).collect();
    cleaned(&said).into_owned()
}

/// Bytes of an answer that are shown where it cannot be read.
const EXCERPT: usize = 200;
/// Characters of a reason.
const REASON: usize = 500;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn raw(status: u16, text: &str) -> RawAnswer {
        RawAnswer {
            url: "https://es:9200/_bulk".to_owned(),
            status,
            retry_after: None,
            bytes: Bytes::copy_from_slice(text.as_bytes()),
        }
    }

    #[test]
    fn reason_is_the_servers_with_its_innermost_cause() {
        let body = json!({"error": {"type": "document_parsing_exception", "reason": "failed to parse",
            "caused_by": {"type": "x", "reason": "y", "caused_by": {"type": "number_format", "reason": "For input: a"}}}});
        assert_eq!(
            reason(&body),
            "document_parsing_exception: failed to parse (number_format: For input: a)"
        );
        assert_eq!(
            reason(&json!({"error": "Incorrect HTTP method"})),
            "Incorrect HTTP method"
        );
        assert_eq!(reason(&Value::Null), "nothing said");
    }

    #[test]
    fn proxys_page_is_a_refusal_with_its_text_and_a_cut_success_is_an_error() {
        let answer = raw(413, "<html>too\nlarge</html>").read().unwrap();
        let words = answer.success().unwrap_err().to_string();
        assert!(words.contains("413") && words.contains("<html>too"), "{words}");
        let words = raw(200, "{\"errors\":fal").read().unwrap_err().to_string();
        assert!(words.contains("https://es:9200/_bulk"), "{words}");
        assert_eq!(raw(200, "").read().unwrap().body, Value::Null);
    }
}
