//! Sockets: binds them, turns bytes into requests and replies into bytes, and stops in order.
//!
//! What is not about a call is here: request ids, bounds on bodies and time, panics. Everything
//! else is the dialects'.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{KeepAlive, Method, StatusCode};
use actix_web::web::{self, Bytes, BytesMut};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use futures_util::StreamExt;

use crate::aws;
use crate::dialect::{Body, Reply, Request};
use crate::huawei;
use crate::kms::{Kms, StartError};
use crate::limits;
use crate::model::error::Error;
use crate::pages::Pages;

/// A server that answers.
pub struct Server {
    /// Where the API is.
    pub address: SocketAddr,
    /// Where operators read metrics.
    pub operators_address: Option<SocketAddr>,
    api: ServerHandle,
    operators: Option<ServerHandle>,
}

struct State {
    kms: Arc<Kms>,
    pages: Pages,
    huawei: huawei::routes::Routes,
    aws: aws::routes::Operations,
    scheme: &'static str,
}

impl Server {
    /// Binds the listeners and begins to answer.
    ///
    /// # Errors
    /// [`StartError`] when an address is taken or the TLS files are not usable.
    pub fn start(kms: Arc<Kms>) -> Result<Self, StartError> {
        let config = kms.config();
        let service = service(kms.clone());
        let cannot = |what: SocketAddr, error: std::io::Error| {
            StartError(format!("cannot listen on {what}: {error}"))
        };
        let workers = match config.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            workers => workers,
        };
        let server = HttpServer::new(move || App::new().configure(service.clone()))
            .max_connections(config.limits.connections.div_ceil(workers).max(1))
            .client_request_timeout(limits::HEAD_TIME)
            .client_disconnect_timeout(Duration::from_secs(2))
            .keep_alive(KeepAlive::Timeout(Duration::from_secs(75)))
            .shutdown_timeout(limits::STOP_SECONDS)
            .disable_signals()
            .workers(workers);
        let server = match &config.tls {
            None => server.bind(config.listen),
            Some(tls) => server.bind_rustls_0_23(config.listen, crate::tls::server_config(tls)?),
        }
        .map_err(|error| cannot(config.listen, error))?;
        let address = server.addrs().first().copied().unwrap_or(config.listen);

        let operators = match config.operators_listen {
            None => None,
            Some(listen) => {
                let kms = web::Data::from(kms.clone());
                let server = HttpServer::new(move || {
                    App::new()
                        .app_data(kms.clone())
                        .route("/metrics", web::get().to(metrics))
                        .default_service(web::to(|| async {
                            HttpResponse::NotFound().body("operators read /metrics here\n")
                        }))
                })
                .workers(1)
                .shutdown_timeout(1)
                .disable_signals()
                .bind(listen)
                .map_err(|error| cannot(listen, error))?;
                let address = server.addrs().first().copied();
                Some((server.run(), address))
            }
        };
        let api = server.run();
        let api_handle = api.handle();
        actix_web::rt::spawn(api);
        let (operators, operators_address) = match operators {
            None => (None, None),
            Some((server, address)) => {
                let handle = server.handle();
                actix_web::rt::spawn(server);
                (Some(handle), address)
            }
        };
        Ok(Self {
            address,
            operators_address,
            api: api_handle,
            operators,
        })
    }

    /// Takes no more calls, lets those under way end, and closes the listeners.
    pub async fn stop(self) {
        self.api.stop(true).await;
        if let Some(operators) = self.operators {
            operators.stop(false).await;
        }
    }
}

/// All that stands behind the API's listener: give it to [`App::configure`]. The fuzz targets do so
/// without a socket.
pub fn service(kms: Arc<Kms>) -> impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static {
    let state = web::Data::new(State {
        pages: Pages::default(),
        huawei: huawei::routes::Routes::default(),
        aws: aws::routes::Operations::default(),
        scheme: kms.config().scheme(),
        kms,
    });
    move |app| {
        app.app_data(state.clone()).default_service(web::to(answer));
    }
}

async fn metrics(kms: web::Data<Kms>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/openmetrics-text; version=1.0.0; charset=utf-8")
        .body(kms.metrics().text())
}

/// Every request of the API.
async fn answer(http: HttpRequest, payload: web::Payload, state: web::Data<State>) -> HttpResponse {
    let kms = &state.kms;
    let request_id = hex::encode(kms.env().random::<16>());
    let (arrived, started) = (kms.env().now(), kms.env().monotonic());
    let face = Face::of(&http);
    let uri = http.uri();
    let mut request = Request {
        method: http.method().clone(),
        path: uri.path().to_owned(),
        query: uri.query().unwrap_or_default().to_owned(),
        headers: http.headers().clone(),
        body: Bytes::new(),
        params: Vec::new(),
        base_url: base_url(&state, http.headers()),
        address: client_address(&state, &http),
        over_tls: is_over_tls(&state, &http),
        request_id: request_id.clone(),
        arrived,
        started,
    };
    let reply = match read_body(&http, payload, face.body_bytes()).await {
        Err(error) => {
            kms.metrics().refused(error.name());
            face.render(&error, http.path(), &request_id)
        }
        Ok(body) => {
            request.body = body;
            if let Some(page) = state.pages.answer(&request) {
                let reply = page.unwrap_or_else(|error| {
                    kms.metrics().refused(error.name());
                    face.render(&error, http.path(), &request_id)
                });
                return write(reply, &request_id, kms.config().dev);
            }
            let state = state.clone();
            // On its own, so that a change goes on to its end when its client hangs up (I-41) and
            // a panic costs one request (I-24).
            let done = actix_web::rt::spawn(async move { face.answer(&state, &mut request).await });
            done.await.unwrap_or_else(|_| {
                kms.metrics().panicked();
                tracing::error!(%request_id, "a request handler panicked");
                face.render(&Error::Internal("panic".into()), http.path(), &request_id)
            })
        }
    };
    write(reply, &request_id, kms.config().dev)
}

/// Which dialect a request is in.
#[derive(Clone, Copy)]
enum Face {
    /// Huawei's, and whatever has a path.
    Huawei,
    /// AWS's: every operation is `POST /`.
    Aws,
}

impl Face {
    fn of(http: &HttpRequest) -> Self {
        if http.method() == Method::POST && http.path() == "/" {
            Self::Aws
        } else {
            Self::Huawei
        }
    }

    const fn body_bytes(self) -> usize {
        match self {
            Self::Huawei => limits::BODY_BYTES,
            Self::Aws => limits::AWS_BODY_BYTES,
        }
    }

    async fn answer(self, state: &State, request: &mut Request) -> Reply {
        match self {
            Self::Huawei => state.huawei.answer(&state.kms, request).await,
            Self::Aws => state.aws.answer(&state.kms, request).await,
        }
    }

    fn render(self, error: &Error, path: &str, request_id: &str) -> Reply {
        match self {
            Self::Huawei => {
                let service = huawei::routes::service_of(path);
                huawei::error::render(error, None, service)
            }
            Self::Aws => aws::error::render(error, None, &Default::default(), request_id),
        }
    }
}

/// Reads a body within its bounds of size and time. One that is too large is read to its end, so
/// that the client gets to read the refusal.
async fn read_body(
    http: &HttpRequest,
    mut payload: web::Payload,
    most: usize,
) -> Result<Bytes, Error> {
    let read = async {
        let mut body = BytesMut::new();
        let mut size = 0_usize;
        while let Some(chunk) = payload.next().await {
            let chunk = chunk
                .map_err(|_| Error::Unreadable("the body cannot be read to its end".into()))?;
            size = size.saturating_add(chunk.len());
            if size > limits::DRAINED_BYTES {
                break;
            }
            if size <= most {
                body.extend_from_slice(&chunk);
            }
        }
        if size > most {
            Err(Error::BodyTooLarge(most))
        } else {
            Ok(body.freeze())
        }
    };
    let claims = http
        .headers()
        .get("content-length")
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if claims.is_some_and(|claims| claims > limits::DRAINED_BYTES as u64) {
        return Err(Error::BodyTooLarge(most));
    }
    tokio::time::timeout(limits::BODY_TIME, read)
        .await
        .unwrap_or(Err(Error::BodyTooSlow))
}

/// How the client reached us: the configured URL, or what its Host header says.
fn base_url(state: &State, headers: &HeaderMap) -> String {
    let config = state.kms.config();
    if let Some(url) = &config.public_url {
        return url.clone();
    }
    let plain = |host: &&str| {
        (1..=255).contains(&host.len())
            && host
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']'))
    };
    let host = headers
        .get("host")
        .and_then(|host| host.to_str().ok())
        .filter(plain);
    match host {
        Some(host) => format!("{}://{host}", state.scheme),
        None => format!("{}://{}", state.scheme, config.listen),
    }
}

/// Whether a request came over TLS: ended here, or by a known proxy in front. Who comes past the
/// proxies came without.
fn is_over_tls(state: &State, http: &HttpRequest) -> bool {
    let config = state.kms.config();
    let peer = http.peer_addr().map(|peer| peer.ip().to_canonical());
    config.tls.is_some() || peer.is_some_and(|peer| config.proxies.contains(&peer))
}

/// Where a request came from. What a header says counts only when a known proxy sent it.
fn client_address(state: &State, http: &HttpRequest) -> Option<IpAddr> {
    let peer = http.peer_addr().map(|peer| peer.ip().to_canonical())?;
    let proxies = &state.kms.config().proxies;
    if !proxies.contains(&peer) {
        return Some(peer);
    }
    // Some proxies add a line of their own below what the client sent: the last hop is the last of
    // the last line.
    let lines: Vec<&str> = http
        .headers()
        .get_all("x-forwarded-for")
        .map(|value| value.to_str().unwrap_or("?"))
        .collect();
    lines
        .join(",")
        .rsplit(',')
        .map_while(|hop| hop.trim().parse::<IpAddr>().ok())
        .map(|hop| hop.to_canonical())
        .find(|hop| !proxies.contains(hop))
        .or(Some(peer))
}

fn write(reply: Reply, request_id: &str, dev: bool) -> HttpResponse {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    response
        .insert_header(("X-Request-Id", request_id))
        // What OpenStack's clients look for.
        .insert_header(("X-Openstack-Request-Id", request_id))
        .insert_header(("Cache-Control", "no-store"))
        .insert_header(("X-Content-Type-Options", "nosniff"));
    if dev {
        response.insert_header(("X-Kmsd-Mode", "dev"));
    }
    for (name, value) in reply.headers {
        if let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_str(&value),
        ) {
            response.insert_header((name, value));
        }
    }
    match reply.body {
        Body::Empty => response.finish(),
        Body::Json(json) => response.content_type("application/json").body(json),
        Body::Other(media_type, bytes) => response.content_type(media_type).body(bytes),
    }
}
