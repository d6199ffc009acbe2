//! A transport whose incoming entries wait until they are let in, so that an author sees exactly what the
//! recorded one had seen.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use syncline::transports::{self, Link, LinkError, LinkSender, Transport, TransportError, memory};
use syncline_core::id::Have;
use syncline_core::wire::{Codec, Compression, Encoding, Frame, Message, Numbered};
use tokio::sync::watch;

/// Decides which entries come in.
#[derive(Clone)]
pub struct Gate(Arc<watch::Sender<Have>>);

/// A transport behind a [`Gate`].
pub struct Gated<T> {
    inner: T,
    allowed: watch::Receiver<Have>,
}

impl Gate {
    /// The transport, with nothing let in.
    pub fn new<T: Transport>(inner: T) -> (Self, Gated<T>) {
        let (sender, allowed) = watch::channel(Have::default());
        (Self(Arc::new(sender)), Gated { inner, allowed })
    }

    /// Lets these entries in, and all before them of the same writers.
    pub fn allow(&self, entries: &Have) {
        self.0.send_modify(|allowed| allowed.merge(entries));
    }
}

#[async_trait]
impl<T: Transport> Transport for Gated<T> {
    async fn connect(&self) -> Result<Link, TransportError> {
        let outer = self.inner.connect().await?;
        let (near, far) = memory::pair();
        tokio::spawn(carry(outer, far, self.allowed.clone()));
        Ok(near)
    }

    fn endpoint(&self) -> String {
        self.inner.endpoint()
    }
}

async fn carry(outer: Link, far: Link, allowed: watch::Receiver<Have>) {
    let (mut outer_out, mut outer_in) = outer.split();
    let (far_out, mut far_in) = far.split();
    let outwards = async {
        while let Ok(Some(frame)) = far_in.receive().await {
            if outer_out.send(frame).await.is_err() {
                break;
            }
        }
    };
    let mut inwards = Inwards { to: far_out, waiting: VecDeque::new(), allowed };
    let inwards = async {
        loop {
            let frame = tokio::select! {
                frame = outer_in.receive() => frame,
                changed = inwards.allowed.changed() => match changed {
                    Ok(()) => Ok(Some(transports::Frame::binary(Vec::new()))),
                    Err(_) => break,
                },
            };
            let Ok(Some(frame)) = frame else { break };
            if inwards.pass(frame).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = outwards => {}
        () = inwards => {}
    }
}

/// What has come in and not been let through: whole messages in order, entries taken out as they are let in.
struct Inwards {
    to: LinkSender,
    waiting: VecDeque<Message>,
    allowed: watch::Receiver<Have>,
}

impl Inwards {
    /// Takes a frame (an empty one only looks at the gate again) and passes on what may go.
    async fn pass(&mut self, frame: transports::Frame) -> Result<(), LinkError> {
        if !frame.is_empty() {
            let text = matches!(frame, transports::Frame::Text(_));
            let frame = Frame { bytes: frame.into_bytes(), text };
            match Codec::decode(&frame) {
                Ok(messages) => self.waiting.extend(messages),
                // The engine behind the gate says what is wrong with it.
                Err(_) => return self.to.send(transports::Frame::Binary(frame.bytes)).await,
            }
        }
        let allowed = self.allowed.borrow_and_update().clone();
        let ready = release(&mut self.waiting, &allowed);
        if ready.is_empty() {
            return Ok(());
        }
        let codec = Codec { encoding: Encoding::Binary, compression: Compression::None };
        let encoded: Vec<_> = ready.iter().map(|message| codec.encode(message)).collect();
        self.to.send(transports::Frame::Binary(codec.frame(&encoded).bytes)).await
    }
}

/// Takes out what may go. Entries that may not stay, and so does every `Durable` behind one; all else goes.
fn release(waiting: &mut VecDeque<Message>, allowed: &Have) -> Vec<Message> {
    let (mut ready, mut kept, mut holding) = (Vec::new(), VecDeque::new(), false);
    for message in waiting.drain(..) {
        match message {
            Message::Entries { doc, entries } => {
                let (go, stay): (Vec<Numbered>, Vec<Numbered>) =
                    entries.into_iter().partition(|numbered| allowed.covers(&numbered.entry.id));
                if !go.is_empty() {
                    ready.push(Message::Entries { doc: doc.clone(), entries: go });
                }
                if !stay.is_empty() {
                    holding = true;
                    kept.push_back(Message::Entries { doc, entries: stay });
                }
            }
            Message::Durable { .. } if holding => kept.push_back(message),
            other => ready.push(other),
        }
    }
    *waiting = kept;
    ready
}
