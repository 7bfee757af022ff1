//! A proxy to the Kubernetes API that can be interrupted.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// Forwards connections at its own loopback port until it is interrupted.
pub struct Proxy {
    address: SocketAddr,
    /// Connections with a number below this are interrupted.
    cut: watch::Sender<u64>,
    connections: Arc<AtomicU64>,
}

impl Proxy {
    /// Forwards to this address.
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let (cut, seen) = watch::channel(0);
        let connections = Arc::<AtomicU64>::default();
        let count = connections.clone();
        tokio::spawn(async move {
            loop {
                let (near, _) = listener.accept().await.expect("connections are accepted");
                let number = count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(forward(near, target, number, seen.clone()));
            }
        });
        Self {
            address,
            cut,
            connections,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on it silently drops all data: connections stay open, and new ones are accepted.
    pub fn cut(&self) {
        self.cut.send_replace(u64::MAX);
    }

    /// The same for existing connections only; new ones work.
    pub fn cut_present(&self) {
        self.cut.send_replace(self.connections.load(Ordering::Relaxed));
    }
}

async fn forward(mut near: TcpStream, target: SocketAddr, number: u64, mut cut: watch::Receiver<u64>) {
    let both = async {
        let mut far = TcpStream::connect(target).await?;
        copy_bidirectional(&mut near, &mut far).await
    };
    tokio::select! {
        // Either end closed it.
        _ = both => return,
        _ = cut.wait_for(|below| number < *below) => {}
    }
    // Keeps the connection open while the proxy exists.
    let _ = cut.wait_for(|_| false).await;
}
