//! A request to the operator's server.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::DEADLINE;

/// Requests this path from the server at this address, accepting these media types; returns the HTTP status and body.
pub async fn http_get(address: &str, path: &str, accept: &str) -> (u16, String) {
    let request = format!("GET {path} HTTP/1.0\r\nAccept: {accept}\r\n\r\n");
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer = timeout(DEADLINE, exchange).await.expect("an answer in time");
    let answer = answer.expect("the operator's server answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.expect("an HTTP status"), body.into())
}
