//! A clock that tests move, and an authority that answers as a test tells it to.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use crate::env::{Clock, Entropy, Env};
use crate::model::time::Timestamp;

/// When every test begins: 2026-01-02T03:04:05Z.
pub(super) const BEGIN: i64 = 1_767_323_045;

/// A clock that only tests move.
pub(super) struct Hand(AtomicU64);

impl Hand {
    pub(super) fn env() -> (Arc<Self>, Env) {
        let hand = Arc::new(Self(AtomicU64::new(0)));
        let env = Env::new(Arc::clone(&hand) as _, Arc::new(NoEntropy));
        (hand, env)
    }

    pub(super) fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(BEGIN).plus(self.monotonic())
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::Relaxed))
    }
}

struct NoEntropy;

impl Entropy for NoEntropy {
    fn fill(&self, _: &mut [u8]) {
        panic!("nothing in here needs chance");
    }
}

/// A request as the authority saw it.
pub(super) struct Request {
    /// Such as `GET /v3/auth/tokens`.
    pub(super) line: String,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }
}

/// What the authority does about it.
pub(super) enum Reply {
    Answer(u16, Vec<(&'static str, String)>, String),
    /// It takes the request and never answers.
    Hang,
    /// It closes the connection.
    Close,
}

impl Reply {
    pub(super) fn status(status: u16) -> Self {
        Reply::Answer(status, Vec::new(), "{}".into())
    }

    pub(super) fn ok(body: impl ToString) -> Self {
        Reply::Answer(200, Vec::new(), body.to_string())
    }
}

/// An authority on this machine, for as long as its test runs.
pub(super) struct Stub {
    /// Without a path.
    pub(super) url: String,
    seen: Arc<AtomicU64>,
}

impl Stub {
    pub(super) async fn start(answer: impl FnMut(&Request) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(AtomicU64::new(0));
        let answer = Arc::new(Mutex::new(answer));
        let count = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, count) = (Arc::clone(&answer), Arc::clone(&count));
                tokio::spawn(async move {
                    let request = read(&stream).await;
                    count.fetch_add(1, Ordering::Relaxed);
                    // Whoever else is going to ask the same does it now.
                    for _ in 0..100 {
                        tokio::task::yield_now().await;
                    }
                    let reply = (*answer.lock().unwrap())(&request);
                    match reply {
                        Reply::Answer(status, headers, body) => {
                            let mut text = format!(
                                "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {}\r\n",
                                body.len()
                            );
                            for (name, value) in headers {
                                text.push_str(&format!("{name}: {value}\r\n"));
                            }
                            write(&stream, &format!("{text}\r\n{body}")).await;
                        }
                        Reply::Hang => std::future::pending().await,
                        Reply::Close => {}
                    }
                });
            }
        });
        Self { url, seen }
    }

    /// How many requests have come.
    pub(super) fn seen(&self) -> u64 {
        self.seen.load(Ordering::Relaxed)
    }
}

async fn read(stream: &TcpStream) -> Request {
    let mut text = Vec::new();
    loop {
        stream.readable().await.unwrap();
        let mut chunk = [0; 4096];
        match stream.try_read(&mut chunk) {
            Ok(0) => panic!("the request ended early"),
            Ok(count) => text.extend_from_slice(&chunk[..count]),
            Err(_) => continue,
        }
        let read = String::from_utf8_lossy(&text);
        let Some((head, body)) = read.split_once("\r\n\r\n") else {
            continue;
        };
        let mut lines = head.lines();
        let line = lines.next().unwrap().trim_end_matches(" HTTP/1.1");
        let headers: Vec<_> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let request = Request {
            line: line.to_owned(),
            headers,
            body: body.to_owned(),
        };
        if body.len() >= request.header("content-length").parse().unwrap_or(0) {
            return request;
        }
    }
}

/// A client that stops reading is its own business.
async fn write(stream: &TcpStream, text: &str) {
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        if stream.writable().await.is_err() {
            return;
        }
        match stream.try_write(rest) {
            Ok(count) => rest = &rest[count..],
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}
