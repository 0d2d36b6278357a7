//! The way to a broker, which a test can cut, silence, slow down and mend: a small TCP proxy.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// Bytes that are taken from one side before they go to the other.
const CHUNK_BYTES: usize = 16 * 1024;

/// What becomes of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// They go through.
    Open,
    /// They go through, each piece after a while, and so many in a second.
    Slow { delay: Duration, bytes_per_s: u32 },
    /// They go nowhere, and nobody is told: connections stay, as they do where a cable is pulled.
    Silent,
    /// There are no connections, and new ones are closed at once.
    Cut,
}

/// What becomes of the bytes now.
#[derive(Debug, Clone, Copy)]
struct Now {
    way: Way,
    /// How often it was cut: a connection does not outlive one.
    cuts: u64,
}

/// A proxy. Dropped, it cuts what goes through it.
pub(crate) struct Proxy {
    url: String,
    now: watch::Sender<Now>,
    /// Where it leads, the first that takes a connection.
    addresses: Addresses,
    accepting: JoinHandle<()>,
}

type Addresses = Arc<Mutex<Vec<String>>>;

impl Proxy {
    /// A way to the broker of this URL.
    pub(crate) async fn to(url: &str) -> Self {
        Self::to_first_of(&[url]).await
    }

    /// A way to the first of these nodes of one broker that takes a connection.
    pub(crate) async fn to_first_of(urls: &[&str]) -> Self {
        let (before, _, after) = parts(urls[0]);
        let addresses: Vec<String> = urls.iter().map(|url| parts(url).1.to_owned()).collect();
        let addresses = Arc::new(Mutex::new(addresses));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a port for the proxy");
        let port = listener.local_addr().expect("an address").port();
        let (now, watching) = watch::channel(Now {
            way: Way::Open,
            cuts: 0,
        });
        Self {
            url: format!("{before}127.0.0.1:{port}{after}"),
            now,
            accepting: tokio::spawn(accept(listener, Arc::clone(&addresses), watching)),
            addresses,
        }
    }

    /// The URL of the broker by this way.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Closes all connections, and every new one.
    pub(crate) fn cut(&self) {
        self.now.send_modify(|now| {
            *now = Now {
                way: Way::Cut,
                cuts: now.cuts + 1,
            };
        });
    }

    /// Lets nothing through, and closes nothing.
    pub(crate) fn silence(&self) {
        self.now.send_modify(|now| now.way = Way::Silent);
    }

    /// Lets every piece through after a while, and so many bytes in a second.
    pub(crate) fn slow(&self, delay: Duration, bytes_per_s: u32) {
        self.now
            .send_modify(|now| now.way = Way::Slow { delay, bytes_per_s });
    }

    /// Closes all connections, and leads new ones to the node of this URL, as long as it takes them.
    pub(crate) fn turn_to(&self, url: &str) {
        self.cut();
        let (_, address, _) = parts(url);
        // Stable: that one is first, and the others stay in their order.
        self.addresses.lock().unwrap().sort_by_key(|each| each != address);
        self.restore();
    }

    /// Lets everything through. What was held back goes on.
    pub(crate) fn restore(&self) {
        self.now.send_modify(|now| now.way = Way::Open);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A URL as what stands before its host and port, these, and the rest.
fn parts(url: &str) -> (&str, &str, &str) {
    let scheme = url.find("://").expect("a scheme") + 3;
    let end = url[scheme..].find('/').map_or(url.len(), |slash| scheme + slash);
    let start = url[..end].rfind('@').map_or(scheme, |at| at + 1);
    (&url[..start], &url[start..end], &url[end..])
}

async fn accept(listener: TcpListener, addresses: Addresses, now: watch::Receiver<Now>) {
    // Ends with this task, and the connections with it.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((near, _)) = accepted {
                connections.spawn(connect(near, Arc::clone(&addresses), now.clone()));
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// One connection, until either side ends it or the way is cut.
async fn connect(near: TcpStream, addresses: Addresses, mut now: watch::Receiver<Now>) {
    let cuts = now.borrow().cuts;
    if passage(&mut now).await.is_none() {
        return;
    }
    let addresses = addresses.lock().unwrap().clone();
    let Some(far) = first_of(&addresses).await else {
        return;
    };
    for stream in [&near, &far] {
        // A proxy that gathers small pieces would be a slow way.
        let _ = stream.set_nodelay(true);
    }
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    tokio::select! {
        () = carry(near_read, far_write, now.clone()) => {}
        () = carry(far_read, near_write, now.clone()) => {}
        _ = now.wait_for(|now| now.cuts > cuts) => {}
    }
}

async fn first_of(addresses: &[String]) -> Option<TcpStream> {
    for address in addresses {
        if let Ok(stream) = TcpStream::connect(address).await {
            return Some(stream);
        }
    }
    None
}

/// Waits until bytes may go through, and says how; `None` where they never will.
async fn passage(now: &mut watch::Receiver<Now>) -> Option<Way> {
    let Now { way, .. } = *now.wait_for(|now| now.way != Way::Silent).await.ok()?;
    (way != Way::Cut).then_some(way)
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut now: watch::Receiver<Now>) {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        if passage(&mut now).await.is_none() {
            return;
        }
        let read = from.read(&mut chunk).await;
        // The end of one side is no news to the other while nothing goes through.
        let Some(passage) = passage(&mut now).await else {
            return;
        };
        let (Ok(length), Way::Open | Way::Slow { .. }) = (read, passage) else {
            return;
        };
        if let Way::Slow { delay, bytes_per_s } = passage {
            let length = u32::try_from(length).expect("a chunk is small");
            tokio::time::sleep(delay + Duration::from_secs(1) * length / bytes_per_s).await;
        }
        if length == 0 || to.write_all(&chunk[..length]).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a_way_can_be_cut_silenced_and_mended() {
    let there = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("amqp://guest:guest@{}/%2f", there.local_addr().unwrap());
    let proxy = Proxy::to(&url).await;
    let (before, address, after) = parts(proxy.url());
    assert_eq!((before, after), ("amqp://guest:guest@", "/%2f"));
    let pair = async || {
        let near = TcpStream::connect(address).await.unwrap();
        (near, there.accept().await.unwrap().0)
    };
    let mut got = [0; 5];

    let (mut near, mut far) = pair().await;
    near.write_all(b"hello").await.unwrap();
    far.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"hello");

    proxy.silence();
    far.write_all(b"quiet").await.unwrap();
    let nothing = tokio::time::timeout(Duration::from_millis(200), near.read(&mut got)).await;
    assert!(nothing.is_err(), "nothing comes, and nothing ends");
    proxy.slow(Duration::from_millis(1), 1_000_000);
    near.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"quiet");

    proxy.cut();
    assert_eq!(near.read(&mut got).await.unwrap_or_default(), 0, "it has ended");
    assert_eq!(far.read(&mut got).await.unwrap_or_default(), 0, "here too");
    let mut refused = TcpStream::connect(address).await.unwrap();
    assert_eq!(refused.read(&mut got).await.unwrap_or_default(), 0);

    proxy.restore();
    let (mut near, mut far) = pair().await;
    near.write_all(b"again").await.unwrap();
    far.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"again");
}
