//! An API server in front of that of the tests, which answers some requests otherwise.

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
};

use http::{Request, Response};
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use kube::Client;
use tokio::net::TcpListener;

/// An answer.
pub type Answer = Response<UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>>;

/// Answers like this.
pub async fn front<F>(answer: impl Fn(Request<Incoming>) -> F + Clone + Send + 'static) -> SocketAddr
where
    F: Future<Output = Answer> + Send + 'static,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("a port is free");
    let address = listener.local_addr().expect("a listener has an address");
    tokio::spawn(async move {
        loop {
            let (near, _) = listener.accept().await.expect("connections are accepted");
            near.set_nodelay(true).expect("a connection");
            let answer = answer.clone();
            let answer = service_fn(move |request| {
                let answer = answer(request);
                async move { Ok::<_, Infallible>(answer.await) }
            });
            let connection = http1::Builder::new().serve_connection(TokioIo::new(near), answer);
            tokio::spawn(async move { drop(connection.await) });
        }
    });
    address
}

/// The query of a request.
pub fn query(request: &Request<Incoming>) -> Vec<(String, String)> {
    let query = request.uri().query().unwrap_or_default();
    url::form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect()
}

/// The answer of the API server behind, with this client's rights.
pub async fn forward(client: Client, request: Request<Incoming>) -> Answer {
    let (mut head, body) = request.into_parts();
    for name in ["host", "authorization"] {
        head.headers.remove(name);
    }
    let body = body.collect().await.expect("a body").to_bytes();
    let answer = client.send(Request::from_parts(head, body.into())).await;
    let answer = answer.expect("an answer");
    answer.map(|body| body.map_err(Into::into).boxed_unsync())
}
