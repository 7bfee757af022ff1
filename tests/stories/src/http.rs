//! A caller with a connection for each request.

use std::io;

use serde_json::Value;
use simulated_portal::SimulatedPortal;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A request of a portal's owner.
pub(crate) struct Call<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) host: &'a str,
    pub(crate) token: &'a str,
    pub(crate) referer: Option<&'a str>,
    pub(crate) body: Option<&'a Value>,
}

impl Call<'_> {
    /// Sends it, and gives status and body; a body that is no JSON as null.
    pub(crate) async fn send(&self, server: &SimulatedPortal) -> io::Result<(u16, Value)> {
        let Self {
            method,
            path,
            host,
            token,
            ..
        } = self;
        let body = self.body.map(Value::to_string).unwrap_or_default();
        let mut text = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {token}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n",
            body.len()
        );
        if let Some(referer) = self.referer {
            text += &format!("Referer: {referer}\r\n");
        }
        text += "\r\n";
        text += &body;
        let mut stream = TcpStream::connect(("127.0.0.1", server.port())).await?;
        stream.write_all(text.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        let (_, body) = answer
            .split_once("\r\n\r\n")
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        let body = serde_json::from_str(body).unwrap_or_default();
        Ok((status.ok_or(io::ErrorKind::InvalidData)?, body))
    }
}
