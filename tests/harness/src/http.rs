//! A request to the operator's server.

use std::io;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::DEADLINE;

/// Requests this path from the server at this address, accepting these media types; returns the HTTP status and body.
pub async fn http_get(address: &str, path: &str, accept: &str) -> (u16, String) {
    let answer = timeout(DEADLINE, try_http_get(address, path, accept)).await;
    answer
        .expect("an answer in time")
        .expect("the operator's server answers")
}

/// The same, where no answer is an answer too.
///
/// # Errors
/// No answer, or none of HTTP.
pub async fn try_http_get(address: &str, path: &str, accept: &str) -> io::Result<(u16, String)> {
    let request = format!("GET {path} HTTP/1.0\r\nAccept: {accept}\r\n\r\n");
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let parsed = answer.split_once("\r\n\r\n").and_then(|(head, body)| {
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, body.into()))
    });
    parsed.ok_or_else(|| io::Error::other("no HTTP answer"))
}
