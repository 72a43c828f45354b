//! Requests that no HTTP client would send: bytes over a socket.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::{Answer, TestServer, openapi};

impl TestServer {
    /// Sends a request line, header lines and a body, all as they are, and reads the answer to its
    /// end. `None` when the connection was closed without one.
    pub async fn send_raw(&self, line: &str, headers: &[&str], body: &[u8]) -> Option<Answer> {
        let answer = parsed(&self.exchange_raw(line, headers, body).await)?;
        let mut words = line.split(' ');
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let path = target.split('?').next().unwrap();
        openapi::check_answer(method, path, &answer);
        Some(answer)
    }

    /// The same for what may be refused before kmsd sees it; gives the status alone.
    pub async fn send_raw_unchecked(
        &self,
        line: &str,
        headers: &[&str],
        body: &[u8],
    ) -> Option<u16> {
        let answer = parsed(&self.exchange_raw(line, headers, body).await)?;
        Some(answer.status)
    }

    async fn exchange_raw(&self, line: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
        let mut bytes = format!(
            "{line} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n",
            self.address
        )
        .into_bytes();
        for header in headers {
            bytes.extend(header.as_bytes());
            bytes.extend(b"\r\n");
        }
        if !body.is_empty() {
            bytes.extend(format!("Content-Length: {}\r\n", body.len()).as_bytes());
        }
        bytes.extend(b"\r\n");
        bytes.extend(body);
        let address = self.address;
        // Beside the runtime, which has kmsd's own tasks to run meanwhile.
        tokio::task::spawn_blocking(move || exchange(address, &bytes))
            .await
            .unwrap()
    }
}

fn exchange(address: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(address).unwrap();
    let patience = Some(Duration::from_secs(30));
    socket.set_read_timeout(patience).unwrap();
    socket.set_write_timeout(patience).unwrap();
    // The server may have stopped reading; what it said before that counts.
    let _ = socket.write_all(request);
    let mut received = Vec::new();
    let _ = socket.read_to_end(&mut received);
    received
}

fn parsed(received: &[u8]) -> Option<Answer> {
    let text = String::from_utf8(received.to_vec()).unwrap();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().unwrap();
    let mut headers = reqwest::header::HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        let name = reqwest::header::HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, value.parse().unwrap());
    }
    Some(Answer {
        status,
        headers,
        text: body.to_owned(),
    })
}
