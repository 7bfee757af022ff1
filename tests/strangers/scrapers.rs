//! Clients of the server for metrics and probes.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::sleep,
};

use crate::World;

/// 200 connections without a request, 50 whose request comes a byte a second, and 50 that read nothing. Whatever the
/// server closes is opened again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections() {
    let mut world = World::before("300 connections to /metrics").await;
    let address: SocketAddr = world.operator.address().await.parse().expect("an address");
    let mut clients = JoinSet::new();
    for number in 0..300_u16 {
        clients.spawn(async move {
            loop {
                let socket = TcpSocket::new_v4().expect("a socket");
                // The smallest buffer: what the client does not read stays in the server's.
                socket.set_recv_buffer_size(1).expect("an open socket");
                // Not that of the probes.
                let own = SocketAddr::from(([127, 0, 0, 2 + u8::try_from(number % 3).expect("small")], 0));
                socket.bind(own).expect("a free port");
                if let Ok(stream) = socket.connect(address).await {
                    let _ = match number {
                        0..200 => idle(stream).await,
                        200..250 => slow(stream).await,
                        _ => deaf(stream).await,
                    };
                }
                sleep(Duration::from_millis(200)).await;
            }
        });
    }
    world
        .attack_for(Duration::from_secs(8), std::future::pending())
        .await;
    world.judge().await;
}

async fn idle(mut stream: TcpStream) -> std::io::Result<()> {
    stream.read(&mut [0]).await.map(drop)
}

async fn slow(mut stream: TcpStream) -> std::io::Result<()> {
    for byte in b"GET /metrics HTTP/1.1\r\nX-Slow: "
        .iter()
        .chain(std::iter::repeat(&b'x'))
    {
        stream.write_all(&[*byte]).await?;
        sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

async fn deaf(mut stream: TcpStream) -> std::io::Result<()> {
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: operator\r\n\r\n")
        .await?;
    // Longer than any server should wait.
    sleep(Duration::from_secs(30)).await;
    Ok(())
}
