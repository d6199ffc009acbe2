//! The rules of the suite, one function each.

use std::time::Duration;

use futures_util::{FutureExt, future::try_join_all};
use tokio::{
    runtime::Handle,
    time::{sleep, timeout},
};

use super::{Harness, MANY_LINKS, MAX_UNREAD_BYTES, STALL, Verdict};
use crate::{Close, Frame, Link, LinkError, LinkReceiver, LinkSender};

const MANY_FRAMES: usize = 200;
const BIG_FRAME_BYTES: usize = 64 << 10;

/// How long a heartbeat set for a test may take.
const SILENCE_LIMIT: Duration = Duration::from_secs(10);

/// Pause between two looks at something that cannot be waited for.
const GLANCE: Duration = Duration::from_millis(1);

/// Text of all planes: what one byte too many or too few would break.
const SCRIPTS: &str = "aé€😀\u{10FFFF}אب漢字\u{0}\n\"";

pub(super) async fn order(harness: &dyn Harness) -> Verdict {
    let (mut here, mut there) = connected(harness).await?;
    try_pair(send_numbered(&mut here), receive_numbered(&mut there)).await?;
    try_pair(send_numbered(&mut there), receive_numbered(&mut here)).await
}

pub(super) async fn sizes(harness: &dyn Harness) -> Verdict {
    let (mut here, mut there) = connected(harness).await?;
    let limit = here.max_frame_bytes();
    for size in [0, 1, 2, 125, 126, 127, 65_535, 65_536, limit - 1, limit] {
        let size = size.min(limit);
        let bytes: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
        for frame in [Frame::binary(bytes), Frame::text("x".repeat(size))] {
            try_pair(send(&mut here, frame.clone()), expect(&mut there, &frame)).await?;
            try_pair(send(&mut there, frame.clone()), expect(&mut here, &frame)).await?;
        }
    }
    let frame = Frame::text(SCRIPTS);
    try_pair(send(&mut here, frame.clone()), expect(&mut there, &frame)).await
}

pub(super) async fn limit(harness: &dyn Harness) -> Verdict {
    let (mut here, mut there) = connected(harness).await?;
    for link in [&mut here, &mut there] {
        let limit = link.max_frame_bytes();
        match link.send(Frame::binary(vec![0; limit + 1])).await {
            Err(LinkError::TooLarge { .. }) => {}
            other => return Err(format!("sending {} bytes gave {other:?}", limit + 1)),
        }
    }
    let frame = Frame::text("goes on");
    try_pair(send(&mut here, frame.clone()), expect(&mut there, &frame)).await?;
    try_pair(send(&mut there, frame.clone()), expect(&mut here, &frame)).await
}

pub(super) async fn duplex(harness: &dyn Harness) -> Verdict {
    let (here, there) = connected(harness).await?;
    let ends = [here.split(), there.split()];
    let tasks = ends
        .into_iter()
        .flat_map(|(sender, receiver)| [tokio::spawn(send_all(sender)), tokio::spawn(receive_all(receiver))]);
    for result in futures_util::future::join_all(tasks).await {
        result.map_err(|error| error.to_string())??;
    }
    return Ok(());

    /// Returns the half, so that it is dropped only when all have finished.
    async fn send_all(mut sender: LinkSender) -> Result<Half, String> {
        for i in 0..MANY_FRAMES {
            sender.send(numbered(i)).await.map_err(|end| format!("frame {i}: {end}"))?;
        }
        Ok(Half::Sender(sender))
    }

    async fn receive_all(mut receiver: LinkReceiver) -> Result<Half, String> {
        for i in 0..MANY_FRAMES {
            same(receiver.receive().await, &numbered(i))?;
        }
        Ok(Half::Receiver(receiver))
    }

    #[expect(dead_code, reason = "held only to be dropped late")]
    enum Half {
        Sender(LinkSender),
        Receiver(LinkReceiver),
    }
}

pub(super) async fn cancelled(harness: &dyn Harness) -> Verdict {
    let (mut here, mut there) = connected(harness).await?;
    let impatient = async {
        for i in 0..MANY_FRAMES {
            let received = loop {
                match there.receive().now_or_never() {
                    Some(received) => break received,
                    None => sleep(GLANCE).await,
                }
            };
            same(received, &numbered(i))?;
        }
        Ok(())
    };
    try_pair(send_numbered(&mut here), impatient).await
}

pub(super) async fn back_pressure(harness: &dyn Harness) -> Verdict {
    let (here, mut there) = connected(harness).await?;
    let (mut sender, receiver) = here.split();
    let frame = Frame::binary(vec![7; BIG_FRAME_BYTES.min(sender.max_frame_bytes())]);
    let mut taken = 0;
    while let Ok(permit) = timeout(STALL, sender.reserve()).await {
        permit.and_then(|permit| permit.send(frame.clone())).map_err(|end| end.to_string())?;
        taken += 1;
        if taken * frame.len() > MAX_UNREAD_BYTES {
            return Err(format!("{taken} frames of {} bytes were taken unread", frame.len()));
        }
    }
    let read = async {
        for _ in 0..=taken {
            expect(&mut there, &frame).await?;
        }
        Ok(())
    };
    let write = sender.send(frame.clone()).map(|sent| sent.map_err(|end| end.to_string()));
    try_pair(write, read).await?;
    drop(receiver);
    Ok(())
}

pub(super) async fn close(harness: &dyn Harness) -> Verdict {
    for from_here in [true, false] {
        let (here, there) = connected(harness).await?;
        let (mut closer, mut other) = if from_here { (here, there) } else { (there, here) };
        send(&mut closer, Frame::text("last words")).await?;
        let said = Close::new(Close::GOING_AWAY, "closed for a test");
        let hear = async {
            expect(&mut other, &Frame::text("last words")).await?;
            for _ in 0..2 {
                let received = other.receive().await;
                holds(received == Ok(None), || format!("after a close came {received:?}"))?;
            }
            let end = other.end();
            holds(end == Some(LinkError::Closed(said.clone())), || format!("it ended as {end:?}"))?;
            let sent = other.send(Frame::text("too late")).await;
            holds(sent.is_err(), || "a closed link took a frame".to_owned())
        };
        try_pair(closer.close(said.clone()).map(Ok), hear).await?;
    }
    Ok(())
}

pub(super) async fn drop_is_loss(harness: &dyn Harness) -> Verdict {
    for drop_here in [true, false] {
        let (here, there) = connected(harness).await?;
        let (dropped, mut other) = if drop_here { (here, there) } else { (there, here) };
        drop(dropped);
        let received = other.receive().await;
        holds(received.is_err(), || format!("after a loss came {received:?}"))?;
        holds(other.receive().await == received, || "the end was not remembered".to_owned())?;
        holds(other.end() == received.err(), || "the end was told differently".to_owned())?;
    }
    Ok(())
}

pub(super) async fn half_dropped(harness: &dyn Harness) -> Verdict {
    let (here, mut there) = connected(harness).await?;
    let (sender, mut receiver) = here.split();
    drop(sender);
    send(&mut there, Frame::text("still heard")).await?;
    same(receiver.receive().await, &Frame::text("still heard"))
}

pub(super) async fn many(harness: &dyn Harness) -> Verdict {
    let echo = async || {
        let mut link = harness.accept().await;
        while let Ok(Some(frame)) = link.receive().await {
            send(&mut link, frame).await?;
        }
        Ok(())
    };
    let ask = async |number: usize| {
        let mut link = harness.transport().connect().await.map_err(|error| error.to_string())?;
        for i in 0..20 {
            let frame = numbered(number * 1000 + i);
            send(&mut link, frame.clone()).await?;
            expect(&mut link, &frame).await?;
        }
        link.close("done").await;
        Ok(())
    };
    let echoes = try_join_all((0..MANY_LINKS).map(|_| echo()));
    let asks = try_join_all((0..MANY_LINKS).map(ask));
    try_pair(echoes.map(|done| done.map(drop)), asks.map(|done| done.map(drop))).await
}

pub(super) async fn reconnect(harness: &dyn Harness) -> Verdict {
    for end in 0..4 {
        let (here, there) = connected(harness).await?;
        match end {
            0 => drop(here),
            1 => drop(there),
            2 => tokio::join!(here.close("again"), async { drain(there).await }).0,
            _ => tokio::join!(there.close("again"), async { drain(here).await }).0,
        }
        let (mut here, mut there) = connected(harness).await?;
        try_pair(send_numbered(&mut here), receive_numbered(&mut there)).await?;
    }
    Ok(())
}

pub(super) async fn freed(harness: &dyn Harness) -> Verdict {
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let mut links = Vec::new();
    for _ in 0..MANY_LINKS {
        links.push(connected(harness).await?);
    }
    drop(links);
    let settled = timeout(SILENCE_LIMIT, async {
        while tasks() > before {
            sleep(GLANCE).await;
        }
    });
    let left = settled.await.map_err(|_| tasks() - before);
    left.map_err(|left| format!("{left} tasks live on after {MANY_LINKS} dropped links"))
}

pub(super) async fn silence(harness: &dyn Harness) -> Verdict {
    let Some(mut link) = harness.connect_to_silence().await else {
        return Ok(());
    };
    match timeout(SILENCE_LIMIT, link.receive()).await {
        Ok(Err(LinkError::Silent { .. })) => Ok(()),
        Ok(other) => Err(format!("a silent peer gave {other:?}")),
        Err(_) => Err(format!("nothing was noticed within {SILENCE_LIMIT:?}")),
    }
}

async fn connected(harness: &dyn Harness) -> Result<(Link, Link), String> {
    let (here, there) = tokio::join!(harness.transport().connect(), harness.accept());
    Ok((here.map_err(|error| error.to_string())?, there))
}

/// Both at once, because one side's progress may need the other's.
async fn try_pair(one: impl Future<Output = Verdict>, other: impl Future<Output = Verdict>) -> Verdict {
    futures_util::future::try_join(one, other).await.map(drop)
}

async fn send_numbered(link: &mut Link) -> Verdict {
    for i in 0..MANY_FRAMES {
        send(link, numbered(i)).await?;
    }
    Ok(())
}

async fn receive_numbered(link: &mut Link) -> Verdict {
    for i in 0..MANY_FRAMES {
        expect(link, &numbered(i)).await?;
    }
    Ok(())
}

async fn drain(mut link: Link) {
    while let Ok(Some(_)) = link.receive().await {}
}

fn numbered(i: usize) -> Frame {
    if i.is_multiple_of(2) { Frame::binary(i.to_be_bytes().to_vec()) } else { Frame::text(i.to_string()) }
}

async fn send(link: &mut Link, frame: Frame) -> Verdict {
    link.send(frame).await.map_err(|end| format!("sending failed: {end}"))
}

async fn expect(link: &mut Link, frame: &Frame) -> Verdict {
    same(link.receive().await, frame)
}

fn same(received: Result<Option<Frame>, LinkError>, expected: &Frame) -> Verdict {
    match received {
        Ok(Some(frame)) if frame == *expected => Ok(()),
        other => Err(format!("{expected:?} was sent, {other:?} came")),
    }
}

fn holds(condition: bool, otherwise: impl FnOnce() -> String) -> Verdict {
    if condition { Ok(()) } else { Err(otherwise()) }
}
