//! Answers that go on: lines, each with one change. Faults of a watch begin and end while it is open.

use std::{collections::VecDeque, sync::Arc};

use futures::stream::{self, unfold};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame};
use serde_json::{Value, json};
use tokio::{sync::watch, time::sleep};

use super::{
    Body, Broken,
    call::KubeCall,
    fault::{KubeFault, Order, SLOW, status_body},
};

/// The lines of an answer on their way to the operator.
pub(super) struct Lines {
    behind: kube::client::Body,
    /// The start of the next line.
    partial: Vec<u8>,
    /// Complete lines that have not been considered.
    came: VecDeque<Bytes>,
    call: KubeCall,
    faults: watch::Receiver<Vec<Arc<Order>>>,
    /// The fault that it is under.
    under: Option<Arc<Order>>,
    /// Held back by it.
    held: Vec<Bytes>,
    /// To be sent next.
    out: VecDeque<Bytes>,
    /// How it ends once that is sent.
    end: Option<End>,
}

#[derive(Clone, Copy)]
enum End {
    Clean,
    Broken,
    Never,
}

impl Lines {
    pub(super) fn of(
        behind: kube::client::Body,
        call: KubeCall,
        faults: watch::Receiver<Vec<Arc<Order>>>,
    ) -> Self {
        Self {
            behind,
            partial: Vec::new(),
            came: VecDeque::new(),
            call,
            faults,
            under: None,
            held: Vec::new(),
            out: VecDeque::new(),
            end: None,
        }
    }

    pub(super) fn into_body(self) -> Body {
        let frames = unfold(self, |mut lines| async move {
            let next = lines.next().await?;
            Some((next.map(Frame::data), lines))
        });
        StreamBody::new(frames).boxed_unsync()
    }

    async fn next(&mut self) -> Option<Result<Bytes, Broken>> {
        loop {
            if self.call.is_watch() {
                self.heed_faults();
            }
            if let Some(line) = self.out.pop_front() {
                return Some(Ok(line));
            }
            match self.end {
                Some(End::Clean) => return None,
                Some(End::Broken) => return Some(Err(Broken)),
                Some(End::Never) => std::future::pending().await,
                None => {}
            }
            if let Some(line) = self.came.pop_front() {
                self.consider(line).await;
                continue;
            }
            tokio::select! {
                // The sender lives as long as the server.
                _ = self.faults.changed(), if self.call.is_watch() => {}
                frame = self.behind.frame() => match frame {
                    Some(Ok(frame)) => self.take(&frame.into_data().unwrap_or_default()),
                    Some(Err(_)) => self.end = Some(End::Broken),
                    None => self.end = Some(End::Clean),
                },
            }
        }
    }

    /// Begins or ends to be under a fault.
    fn heed_faults(&mut self) {
        let of_call = |order: &&Arc<Order>| order.call == self.call;
        let now = self.faults.borrow_and_update().iter().find(of_call).cloned();
        let same = match (&self.under, &now) {
            (Some(before), Some(now)) => Arc::ptr_eq(before, now),
            (None, None) => true,
            _ => false,
        };
        if same {
            return;
        }
        if let Some(before) = self.under.take() {
            self.recover(before.fault);
        }
        if let Some(order) = &now {
            if !order.fault.is_of_changes() {
                order.hit();
            }
            match order.fault {
                KubeFault::Answer(_) => self.end = Some(End::Clean),
                KubeFault::ResetBefore | KubeFault::ResetAfter => self.end = Some(End::Broken),
                KubeFault::Dead => self.end = Some(End::Never),
                _ => {}
            }
        }
        self.under = now;
    }

    /// What follows the end of a fault.
    fn recover(&mut self, fault: KubeFault) {
        let held = std::mem::take(&mut self.held);
        match fault {
            KubeFault::HeldBack => self.out.extend(held),
            KubeFault::Merged => self.out.extend(merged(held)),
            KubeFault::Dropped => {
                let expired = json!({"type": "ERROR", "object": status_body(410)});
                self.out.push_back(format!("{expired}\n").into());
                self.end = Some(End::Clean);
            }
            KubeFault::BlackHole => self.end = Some(End::Broken),
            _ => {}
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.partial.push(*byte);
            if *byte == b'\n' {
                self.came.push_back(std::mem::take(&mut self.partial).into());
            }
        }
    }

    async fn consider(&mut self, line: Bytes) {
        if let Some(order) = self.under.as_ref().filter(|order| order.fault.is_of_changes())
            && !is_bookmark(&line)
        {
            order.hit();
        }
        match self.under.as_ref().map(|order| order.fault) {
            Some(KubeFault::HeldBack | KubeFault::Merged) => self.held.push(line),
            Some(KubeFault::Dropped | KubeFault::BlackHole) => {}
            Some(KubeFault::Doubled) => self.out.extend([line.clone(), line]),
            Some(KubeFault::CutOff) => {
                self.out.push_back(line.slice(..line.len() / 2));
                self.end = Some(End::Broken);
            }
            Some(KubeFault::Slow) => {
                sleep(SLOW).await;
                self.out.push_back(line);
            }
            _ => self.out.push_back(line),
        }
    }
}

/// Whether it tells a version only.
fn is_bookmark(line: &[u8]) -> bool {
    let change: Value = serde_json::from_slice(line).unwrap_or_default();
    change["type"] == "BOOKMARK"
}

/// Of several changes of one object, the last one.
fn merged(lines: Vec<Bytes>) -> Vec<Bytes> {
    let object = |line: &Bytes| -> Option<String> {
        let change: Value = serde_json::from_slice(line).ok()?;
        change["object"]["metadata"]["uid"].as_str().map(Into::into)
    };
    let objects: Vec<_> = lines.iter().map(object).collect();
    let is_last = |at: usize| objects[at].is_none() || !objects[at + 1..].contains(&objects[at]);
    let numbered = lines.into_iter().enumerate();
    numbered
        .filter_map(|(at, line)| is_last(at).then_some(line))
        .collect()
}

/// A body that breaks off after these bytes.
pub(super) fn broken_after(bytes: Bytes) -> Body {
    let frames = stream::iter([Ok(Frame::data(bytes)), Err(Broken)]);
    StreamBody::new(frames).boxed_unsync()
}
