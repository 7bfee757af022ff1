//! What becomes of a request.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use http::{Response, header};
use http_body_util::BodyExt;
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use simulated_portal::Socket;
use tokio::{net::TcpStream, time::sleep};

use super::{
    Answer, Broken, Hook, Request, Shared,
    answer::{cut_off, refusal, whole},
    call::KubeCall,
    fault::{KubeFault, Order, SLOW},
    lease,
    stream::Lines,
};

pub(super) async fn serve(near: TcpStream, shared: Arc<Shared>) {
    let _ = near.set_nodelay(true);
    let reset = Arc::new(AtomicBool::new(false));
    let socket = Socket::new(near, reset.clone());
    let answer = service_fn(|request| {
        let (shared, reset) = (shared.clone(), reset.clone());
        async move {
            let answer = shared.respond(request).await;
            if answer.is_err() {
                reset.store(true, Ordering::Relaxed);
            }
            answer
        }
    });
    // It ends early because of a fault, or of the caller.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(socket), answer)
        .await;
}

impl Shared {
    async fn respond(self: Arc<Self>, request: http::Request<Incoming>) -> Result<Answer, Broken> {
        let (head, body) = request.into_parts();
        let (path, query) = (head.uri.path(), head.uri.query().unwrap_or_default());
        let call = KubeCall::of(&head.method, path, query);
        let body = body.collect().await.map_err(|_| Broken)?.to_bytes();
        let request = http::Request::from_parts(head, body);
        let Some(call) = call else {
            let line = format!("{} {}", request.method(), request.uri());
            self.unknown.lock().expect("nobody panicked").push(line);
            return self.forward(request).await.map(whole);
        };
        let number = self.began(call);
        let order = self.order_of(call);
        if let Some(order) = order.as_ref().filter(|order| !order.fault.is_of_changes()) {
            order.hit();
        }
        let fault = order.as_ref().map(|order| order.fault);
        match (fault, order) {
            (Some(KubeFault::Answer(status)), _) => Ok(refusal(status)),
            (Some(KubeFault::ResetBefore), _) => Err(Broken),
            (Some(KubeFault::BlackHole), Some(order)) => {
                order.ended().await;
                Err(Broken)
            }
            (Some(KubeFault::Late), Some(order)) => {
                // Also after the caller has left.
                let late = tokio::spawn(async move {
                    order.ended().await;
                    self.carry_out(number, call, request).await
                });
                late.await.map_err(|_| Broken)?
            }
            (Some(KubeFault::ResetAfter), _) => {
                self.carry_out(number, call, request).await?;
                Err(Broken)
            }
            (Some(KubeFault::CutOff), _) => {
                let answer = self.carry_out(number, call, request).await?;
                Ok(cut_off(answer).await)
            }
            (Some(KubeFault::Slow), _) => {
                sleep(SLOW).await;
                self.carry_out(number, call, request).await
            }
            (Some(fault @ (KubeFault::ClockAhead(_) | KubeFault::ClockStopped)), _) => {
                let (head, body) = request.into_parts();
                let request = http::Request::from_parts(head, lease::with_other_times(&body, fault));
                self.carry_out(number, call, request).await
            }
            _ => self.carry_out(number, call, request).await,
        }
    }

    fn order_of(&self, call: KubeCall) -> Option<Arc<Order>> {
        let faults = self.faults.borrow();
        let always = self.always.lock().expect("nobody panicked");
        let mut all = faults.iter().chain(&*always);
        all.find(|order| order.call == call).cloned()
    }

    fn began(&self, call: KubeCall) -> usize {
        let mut asked = self.asked.lock().expect("nobody panicked");
        asked.push(Request { call, status: None });
        let number = asked.len() - 1;
        drop(asked);
        self.changed.notify_waiters();
        number
    }

    /// The answer of the API server.
    async fn carry_out(
        self: Arc<Self>,
        number: usize,
        call: KubeCall,
        request: http::Request<Bytes>,
    ) -> Result<Answer, Broken> {
        let hook = self.hook(call);
        if let Some(hook) = hook.as_ref().filter(|hook| !hook.after_effect) {
            hook.reached.store(true, Ordering::Relaxed);
            std::future::pending::<()>().await;
        }
        // Also if the caller leaves meanwhile, as a server does.
        let (behind, this) = (self.clone(), self.clone());
        let answer = tokio::spawn(async move { behind.forward(request).await });
        let answer = answer.await.map_err(|_| Broken)??;
        let status = answer.status().as_u16();
        self.asked.lock().expect("nobody panicked")[number].status = Some(status);
        self.changed.notify_waiters();
        if let Some(hook) = hook {
            hook.reached.store(true, Ordering::Relaxed);
            std::future::pending::<()>().await;
        }
        if call.is_stream() && answer.status().is_success() {
            return Ok(answer.map(|body| Lines::of(body, call, this.faults.subscribe()).into_body()));
        }
        Ok(whole(answer))
    }

    /// The hook, if this is the write that it waits for.
    fn hook(&self, call: KubeCall) -> Option<Hook> {
        let mut waiting = self.hook.lock().expect("nobody panicked");
        let hook = waiting.as_mut().filter(|_| call.is_write())?;
        match hook.left.checked_sub(1) {
            Some(left) => {
                hook.left = left;
                None
            }
            None => waiting.take(),
        }
    }

    async fn forward(&self, request: http::Request<Bytes>) -> Result<Response<kube::client::Body>, Broken> {
        let (mut head, body) = request.into_parts();
        head.headers.remove(header::HOST);
        let request = http::Request::from_parts(head, kube::client::Body::from(body.to_vec()));
        self.behind.send(request).await.map_err(|_| Broken)
    }
}
