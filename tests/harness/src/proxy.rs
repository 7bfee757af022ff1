//! A way to the Kubernetes API that can be cut.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// Forwards connections at a loopback port of its own, until it is cut.
pub struct Proxy {
    address: SocketAddr,
    cut: watch::Sender<bool>,
}

impl Proxy {
    /// Forwards to this address.
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let (cut, seen) = watch::channel(false);
        tokio::spawn(async move {
            loop {
                let (near, _) = listener.accept().await.expect("connections are accepted");
                tokio::spawn(forward(near, target, seen.clone()));
            }
        });
        Self { address, cut }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on nothing comes through, and nobody is told: connections stay open, and new ones are accepted.
    pub fn cut(&self) {
        self.cut.send_replace(true);
    }
}

async fn forward(mut near: TcpStream, target: SocketAddr, mut cut: watch::Receiver<bool>) {
    let both = async {
        let mut far = TcpStream::connect(target).await?;
        copy_bidirectional(&mut near, &mut far).await
    };
    tokio::select! {
        // Either end closed it.
        _ = both => return,
        _ = cut.wait_for(|cut| *cut) => {}
    }
    // Holds the connection open for as long as the proxy is there.
    let _ = cut.wait_for(|cut| !*cut).await;
}
