//! The one path that every call takes, whichever dialect it was spelt in.
//!
//! Authenticated → carried out → recorded and committed → answered. There is no middleware for
//! any of it: what must not be forgotten is a value that one cannot go on without.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::http::header::HeaderMap;
use actix_web::web::Bytes;
use futures_util::future::LocalBoxFuture;

use crate::kms::{Context, Kms, Note, micros};
use crate::limits;
use crate::model::action::{Action, Effect};
use crate::model::audit::{self, Record};
use crate::model::caller::Caller;
use crate::model::error::{Error, Result};
use crate::model::ids::Region;
use crate::model::time::Timestamp;
use crate::store::StoreError;

/// A request as it arrived, whole: what is signed, what is parsed and what is carried out are the
/// same bytes (threat model I-10).
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path, as sent.
    pub path: String,
    /// The query without its question mark, as sent; empty when there is none.
    pub query: String,
    /// The headers, as sent.
    pub headers: HeaderMap,
    /// The body, within its bound.
    pub body: Bytes,
    /// What the route's parameters stand for in the path, as sent.
    pub params: Vec<(String, String)>,
    /// Scheme, host and port by which the client reaches kmsd, for links.
    pub base_url: String,
    /// Where it came from.
    pub address: Option<IpAddr>,
    /// The id that answer, log and audit record carry.
    pub request_id: String,
    /// When it arrived.
    pub arrived: Timestamp,
    /// The same in monotonic time.
    pub started: Duration,
}

impl Request {
    /// A parameter of the route.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The value of a header that may stand there once.
    ///
    /// # Errors
    /// [`Error::Unreadable`] when it stands there twice or is not printable ASCII: which one would
    /// count is what attackers play with (I-3).
    pub fn header(&self, name: &str) -> Result<Option<&str>> {
        let mut values = self.headers.get_all(name);
        let first = values.next();
        if values.next().is_some() {
            return Err(Error::Unreadable(format!(
                "header {name} stands there twice"
            )));
        }
        first
            .map(|value| {
                value
                    .to_str()
                    .map_err(|_| Error::Unreadable(format!("header {name} is not plain text")))
            })
            .transpose()
    }
}

/// An answer, before it is bytes on the wire.
#[derive(Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Headers beside those that every answer has.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Body,
}

/// The body of an answer.
#[derive(Debug)]
pub enum Body {
    /// There is none.
    Empty,
    /// JSON.
    Json(Vec<u8>),
    /// Something else, with its media type.
    Other(&'static str, Bytes),
}

impl Reply {
    /// JSON with a status.
    ///
    /// # Errors
    /// [`Error::Internal`] when the value cannot be written, which our own types always can.
    pub fn json(status: u16, value: &impl serde::Serialize) -> Result<Self> {
        let body = serde_json::to_vec(value).map_err(|error| Error::Internal(error.to_string()))?;
        Ok(Self {
            status,
            headers: Vec::new(),
            body: Body::Json(body),
        })
    }

    /// A status alone.
    pub fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Body::Empty,
        }
    }

    /// The same with one more header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// What a row of a dialect's table does with a call: decode, ask the verb, encode.
pub type Handler = Box<
    dyn for<'a> Fn(&'a mut Context, &'a Request) -> LocalBoxFuture<'a, Result<Reply>> + Send + Sync,
>;

/// Makes a row's handler of any such function.
pub fn handler<F>(call: F) -> Handler
where
    F: AsyncFn(&mut Context, &Request) -> Result<Reply> + Copy + Send + Sync + 'static,
{
    Box::new(move |cx, request| Box::pin(async move { call(cx, request).await }))
}

/// What is known of a call before it is carried out.
pub struct Call {
    /// What is asked for.
    pub action: Action,
    /// The region that it is about.
    pub region: Region,
    /// Who asks, or why they were refused.
    pub caller: Result<Caller>,
    /// Whose credential it claims to be: an access key's id or a user's name. Never trusted.
    pub claimed: Option<String>,
}

/// Takes a call from its caller to its answer, and leaves exactly one audit record on the way
/// (I-45). A change that loses a race is decided again on what is there then.
///
/// # Errors
/// The refusal, already recorded.
pub async fn serve(
    kms: &Arc<Kms>,
    request: &Request,
    call: Call,
    handler: impl AsyncFn(&mut Context) -> Result<Reply>,
) -> Result<Reply> {
    let caller = match call.caller {
        Ok(mut caller) => {
            caller.address = request.address;
            Arc::new(caller)
        }
        Err(error) => return Err(refuse(kms, request, error, call.claimed).await),
    };
    let throttled = match caller.project() {
        Some(project) => kms.throttle().call(&project.id),
        None => Ok(()),
    };
    let mut losses = 0;
    loop {
        let mut cx = Context::new(
            kms.clone(),
            caller.clone(),
            call.action,
            call.region.clone(),
            request.arrived,
        );
        let decided = match &throttled {
            Ok(()) => handler(&mut cx).await,
            Err(error) => Err(error.clone()),
        };
        let record = |note: Note, outcome: &str| {
            let words = note.words();
            Record {
                at: request.arrived,
                request_id: request.request_id.clone(),
                credential: caller.credential.describe(),
                user_id: caller.user.to_string(),
                user_name: caller.user_name.to_string(),
                project_id: caller
                    .project()
                    .map_or_else(String::new, |project| project.id.to_string()),
                address: audit::address_text(request.address),
                action: call.action,
                region: if note.key_id.is_empty() {
                    String::new()
                } else {
                    call.region.to_string()
                },
                key_id: note.key_id,
                revision: note.revision,
                outcome: outcome.to_owned(),
                detail: words,
                duration_us: micros(kms.env().monotonic().saturating_sub(request.started)),
            }
        };
        let ended = match decided {
            Ok(reply) => match cx.finish() {
                Ok(mut outcome) => {
                    let beside = outcome.note.beside.take().map(|note| record(*note, "ok"));
                    // Should it not be kept, the record of that tells of the same key, unchanged;
                    // or of none, when the key was to be made.
                    let unkept = match outcome.note.revision {
                        1 => Note::default(),
                        _ => Note {
                            revision: 0,
                            ..outcome.note.clone()
                        },
                    };
                    let record = record(outcome.note, "ok");
                    let kept = if outcome.writes.is_empty() {
                        keep(kms, record, beside).await
                    } else {
                        kms.commit(outcome.writes, record).await
                    };
                    if outcome.forgets_credentials {
                        kms.credentials().forget_all();
                    }
                    match kept {
                        Ok(()) => Ok(reply),
                        Err(error) => Err((Error::from(error), unkept)),
                    }
                }
                Err(error) => Err((error, Note::default())),
            },
            Err(error) => Err((error, cx.refused())),
        };
        let (error, note) = match ended {
            Ok(reply) => {
                finished(kms, request, call.action, "ok");
                return Ok(reply);
            }
            Err(ended) => ended,
        };
        if error == Error::Conflict && losses < limits::CONFLICT_RETRIES {
            losses += 1;
            continue;
        }
        let recorded = kms
            .store()
            .record(record(note, error.name()), kms.config().audit_uses)
            .await;
        finished(kms, request, call.action, error.name());
        return match recorded {
            Ok(()) => Err(error),
            // No answer leaves without its record: fail closed.
            Err(unrecorded) => Err(Error::from(unrecorded)),
        };
    }
}

/// Keeps the records of a call that changed nothing.
async fn keep(
    kms: &Kms,
    record: Record,
    beside: Option<Record>,
) -> std::result::Result<(), StoreError> {
    let durability = kms.config().audit_uses;
    if let Some(beside) = beside {
        kms.store().record(beside, durability).await?;
    }
    kms.store().record(record, durability).await
}

/// Records a refused credential, or the count of those that got no record of their own; answers
/// what the client is told.
async fn refuse(kms: &Arc<Kms>, request: &Request, error: Error, claimed: Option<String>) -> Error {
    finished(kms, request, Action::RefuseCredential, error.name());
    // A guess that was not even tried is a refused credential like any other.
    if !error.is_refused_credential() && !matches!(error, Error::Throttled(_)) {
        return error;
    }
    if error.is_guess() {
        kms.throttle().refused(request.address, claimed.as_deref());
    }
    let Some(unrecorded) = kms.refusals().admit(request.address, request.arrived) else {
        return error;
    };
    let mut detail = format!("{} {}", request.method, shortened(&request.path));
    if unrecorded > 0 {
        detail = format!("{detail}; {unrecorded} more from this address before");
    }
    let record = Record::of_refusal(
        request.arrived,
        request.request_id.clone(),
        request.address,
        claimed.map_or_else(String::new, |claimed| shortened(&claimed)),
        error.name(),
        detail,
    );
    match kms.store().record(record, kms.config().audit_uses).await {
        Ok(()) => error,
        Err(unrecorded) => Error::from(unrecorded),
    }
}

/// Strangers' text, before it goes into a record: bounded, and without what a terminal would obey.
fn shortened(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// Counts and logs the end of a call.
fn finished(kms: &Kms, request: &Request, action: Action, outcome: &'static str) {
    let took = kms.env().monotonic().saturating_sub(request.started);
    kms.metrics().call(action, outcome, took);
    let action_name = action.name();
    let request_id = &request.request_id;
    let took_us = micros(took);
    if outcome == "ok" && action.effect() == Effect::Reads {
        tracing::debug!(action = action_name, outcome, %request_id, took_us, "call");
    } else {
        tracing::info!(action = action_name, outcome, %request_id, took_us, "call");
    }
}
