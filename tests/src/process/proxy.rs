//! A TCP proxy that counts what goes through it, what a relay and its clients really put on the wire, and that can be cut.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What is read at a time.
const BUFFER_BYTES: usize = 64 << 10;

/// A proxy in front of one server. It lives as long as the runtime.
pub struct Proxy {
    address: SocketAddr,
    counters: Arc<Counters>,
    whole: watch::Sender<bool>,
}

#[derive(Default)]
struct Counters {
    up: AtomicU64,
    down: AtomicU64,
}

impl Proxy {
    /// Listens on a free port and passes everything on.
    ///
    /// # Panics
    /// If there is no free port.
    pub async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let address = listener.local_addr().expect("it has an address");
        let counters = Arc::new(Counters::default());
        let counted = counters.clone();
        let (whole, is_whole) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (counted, mut is_whole) = (counted.clone(), is_whole.clone());
                tokio::spawn(async move {
                    tokio::select! {
                        biased;
                        _cut = is_whole.wait_for(|whole| !whole) => {}
                        () = pass_on(client, server, &counted) => {}
                    }
                });
            }
        });
        Self { address, counters, whole }
    }

    /// Ends every connection, and every one that is made from now on.
    pub fn cut(&self) {
        self.whole.send_replace(false);
    }

    /// Passes connections on again.
    pub fn mend(&self) {
        self.whole.send_replace(true);
    }

    /// Where clients connect.
    #[must_use]
    pub fn url(&self) -> String {
        format!("ws://{}/sync", self.address)
    }

    /// Bytes that clients have sent.
    #[must_use]
    pub fn up(&self) -> u64 {
        self.counters.up.load(Ordering::Relaxed)
    }

    /// Bytes that the server has sent.
    #[must_use]
    pub fn down(&self) -> u64 {
        self.counters.down.load(Ordering::Relaxed)
    }
}

async fn pass_on(client: TcpStream, server: SocketAddr, counters: &Counters) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    // Whichever side ends, both connections are dropped.
    tokio::select! {
        () = copy(from_client, to_server, &counters.up) => {}
        () = copy(from_server, to_client, &counters.down) => {}
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, counter: &AtomicU64) {
    let mut buffer = vec![0; BUFFER_BYTES];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        counter.fetch_add(count as u64, Ordering::Relaxed);
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
