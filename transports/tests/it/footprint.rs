//! What links cost: memory while idle, and the tasks they do not have.

use std::fs;

use syncline_transports::{Frame, Link, Transport};
use tokio::runtime::Handle;

use crate::support::Server;

const LINKS: usize = 400;

/// The promise of `docs/limits.md`, for one side of an idle link.
const IDLE_LINK_BYTES: usize = 8 << 10;

async fn pairs(server: &Server) -> Vec<(Link, Link)> {
    let client = server.client();
    let mut links = Vec::new();
    for _ in 0..LINKS {
        let (here, there) = tokio::join!(client.connect(), server.accept());
        let (mut here, mut there) = (here.unwrap(), there);
        here.send(Frame::text("hello")).await.unwrap();
        assert_eq!(there.receive().await, Ok(Some(Frame::text("hello"))));
        links.push((here, there));
    }
    links
}

fn resident_bytes() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_idle_link_is_small() {
    let server = Server::plain().await;
    let warm = pairs(&server).await;
    let before = resident_bytes();
    let links = pairs(&server).await;
    let each = (resident_bytes() - before) / (2 * LINKS);
    println!("{each} bytes for one side of an idle WebSocket link");
    assert!(each < IDLE_LINK_BYTES, "{each} bytes");
    drop((warm, links));
}

#[tokio::test]
async fn links_have_no_tasks() {
    let server = Server::plain().await;
    let before = Handle::current().metrics().num_alive_tasks();
    let _links = pairs(&server).await;
    assert_eq!(Handle::current().metrics().num_alive_tasks(), before);
}
