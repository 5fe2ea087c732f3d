//! A callback URL comes from a caller: whatever is in it, nothing inside the network is reached by it.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actors::port::invoker::{Answer, Destination, Error, Invocation};
use actors::port::{BoxFuture, Invoker};
use fabric::invoke::HttpInvoker;
use fabric::invoke::resolve::Resolve;
use fabric::invoke::rules::Rules;
use http::{HeaderMap, Method};
use proto::callback;
use proto::host::Hosts;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A resolver whose every answer is laid down: the next one of a name each time, the last one from then on. A name that
/// nothing is laid down for is this machine.
#[derive(Default)]
struct Liar {
    answers: Mutex<HashMap<&'static str, VecDeque<Vec<&'static str>>>>,
    asked: AtomicUsize,
}

impl Liar {
    fn says(self, name: &'static str, answers: &[&[&'static str]]) -> Self {
        self.answers.lock().unwrap().insert(name, answers.iter().map(|it| it.to_vec()).collect());
        self
    }
}

impl Resolve for Liar {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().unwrap();
        let said = match answers.get_mut(host) {
            Some(answers) if answers.len() > 1 => answers.pop_front().unwrap(),
            Some(answers) => answers[0].clone(),
            None => vec!["127.0.0.1", "::1"],
        };
        let addresses = said.iter().map(|it| SocketAddr::new(it.parse().unwrap(), port)).collect();
        Box::pin(std::future::ready(Ok(addresses)))
    }
}

/// A server that counts what reaches it. `/to/<status>/<location>` redirects there; `/close` ends the connection after its
/// answer, `/flood` never comes to the end of one.
struct Receiver {
    addr: SocketAddr,
    reached: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Receiver {
    async fn start(address: &str) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let (addr, reached, mut tasks) =
            (listener.local_addr().unwrap(), Arc::<AtomicUsize>::default(), JoinSet::new());
        let count = reached.clone();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                connections.spawn(serve(stream));
            }
        });
        Self { addr, reached, _tasks: tasks }
    }

    fn connections(&self) -> usize {
        self.reached.load(Ordering::SeqCst)
    }
}

async fn serve(mut stream: tokio::net::TcpStream) {
    let (mut so_far, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        while !so_far.ends_with(b"\r\n\r\nbody") {
            match stream.read(&mut chunk).await {
                Ok(read @ 1..) => so_far.extend_from_slice(&chunk[..read]),
                _ => return,
            }
        }
        let head = String::from_utf8(std::mem::take(&mut so_far)).unwrap();
        let path = head.split(' ').nth(1).unwrap();
        let answer = match path.strip_prefix("/to/").and_then(|rest| rest.split_once('/')) {
            Some((status, location)) => {
                let location = percent_decode(location);
                format!("HTTP/1.1 {status} x\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n")
            }
            None if path == "/close" => "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".into(),
            None if path == "/flood" => "HTTP/1.1 200 OK\r\n\r\n".into(),
            None => "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".into(),
        };
        if stream.write_all(answer.as_bytes()).await.is_err() || path == "/close" {
            return;
        }
        while path == "/flood" && stream.write_all(&[b'x'; 64 * 1024]).await.is_ok() {}
    }
}

fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        (rest, _) = match (first, after) {
            (b'%', [high, low, after @ ..]) => {
                let digits = String::from_utf8(vec![*high, *low]).unwrap();
                (after, bytes.push(u8::from_str_radix(&digits, 16).unwrap()))
            }
            _ => (after, bytes.push(first)),
        };
    }
    String::from_utf8(bytes).unwrap()
}

fn encode(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

fn rules(allow: &str) -> Rules {
    Rules { allow: Hosts::parse(allow).unwrap(), ..Rules::default() }
}

async fn post(invoker: &HttpInvoker, url: &str, only: Option<&str>) -> Result<Answer, Error> {
    // As the gateway takes it, or does not.
    let url = callback::parse_url(url).map_err(|error| Error::Forbidden(error.to_string()))?;
    let invocation = Invocation {
        destination: Destination::Callback { url, only: only.map(|list| Hosts::parse(list).unwrap()) },
        method: Method::POST,
        headers: HeaderMap::new(),
        body: "body".into(),
        timeout: Duration::from_secs(10),
        patience: Duration::ZERO,
        keep: None,
    };
    invoker.invoke(invocation).await
}

/// Every way to write an address or a name that is inside. `PORT` is where somebody listens.
const INSIDE: &[&str] = &[
    // This machine, as it is and as a number of any base and length.
    "http://127.0.0.1:PORT/",
    "http://127.0.0.1.:PORT/",
    "http://127.1:PORT/",
    "http://127.0.1:PORT/",
    "http://2130706433:PORT/",
    "http://2130706433.:PORT/",
    "http://0x7f000001:PORT/",
    "http://0X7F000001:PORT/",
    "http://0x7f.1:PORT/",
    "http://0x7f.0.0.0x1:PORT/",
    "http://017700000001:PORT/",
    "http://0177.0.0.1:PORT/",
    "http://0177.0.0.01:PORT/",
    "http://00000177.0.0.1:PORT/",
    "http://0x7f.0.01:PORT/",
    "http://127.0x0.0.1:PORT/",
    "http://127.000.000.001:PORT/",
    "http://127.255.255.254:PORT/",
    "http://0:PORT/",
    "http://0.0.0.0:PORT/",
    "http://0x0:PORT/",
    // In other digits and dots, and in percents.
    "http://１２７.０.０.１:PORT/",
    "http://127。0。0。1:PORT/",
    "http://127．0．0．1:PORT/",
    "http://①②⑦.⓪.⓪.①:PORT/",
    "http://𝟏𝟐𝟕.𝟎.𝟎.𝟏:PORT/",
    "http://%31%32%37.0.0.1:PORT/",
    "http://127%2e0%2e0%2e1:PORT/",
    "http://127.0.0.%31:PORT/",
    "http://12\t7.0.0.1:PORT/",
    "http://12\u{ad}7.0.0.1:PORT/",
    // As IPv6, with IPv4 in it.
    "http://[::1]:PORT/",
    "http://[0:0:0:0:0:0:0:1]:PORT/",
    "http://[0000:0000:0000:0000:0000:0000:0000:0001]:PORT/",
    "http://[::]:PORT/",
    "http://[::127.0.0.1]:PORT/",
    "http://[::7f00:1]:PORT/",
    "http://[::ffff:127.0.0.1]:PORT/",
    "http://[::FFFF:7F00:1]:PORT/",
    "http://[0:0:0:0:0:ffff:127.0.0.1]:PORT/",
    "http://[::ffff:0:127.0.0.1]:PORT/",
    "http://[64:ff9b::127.0.0.1]:PORT/",
    "http://[64:ff9b::7f00:1]:PORT/",
    "http://[64:ff9b:1::127.0.0.1]:PORT/",
    "http://[2002:7f00:1::]:PORT/",
    "http://[2001:0:4136:e378:8000:63bf:80ff:fffe]:PORT/",
    "http://[fe80::1]:PORT/",
    "http://[fe80::1%25lo]:PORT/",
    "http://[fd00::1]:PORT/",
    "http://[fc00::1]:PORT/",
    "http://[fec0::1]:PORT/",
    "http://[ff02::1]:PORT/",
    // Somebody else's name before it, and what parsers make of slashes.
    "http://example.com@127.0.0.1:PORT/",
    "http://example.com:80@127.0.0.1:PORT/",
    "http://example.com%40127.0.0.1:PORT/",
    "http://127.0.0.1:PORT\\@example.com/",
    "http://127.0.0.1:PORT#@example.com/",
    "http://127.0.0.1:PORT?@example.com/",
    "http://a@b@127.0.0.1:PORT/",
    "http:127.0.0.1:PORT/",
    "http:/127.0.0.1:PORT/",
    "http:///127.0.0.1:PORT/",
    "http:\\\\127.0.0.1:PORT\\",
    " http://127.0.0.1:PORT/ ",
    "HTTP://127.0.0.1:PORT/",
    "https://127.0.0.1:PORT/",
    // Names of this machine, and names that lead inside.
    "http://localhost:PORT/",
    "http://LOCALHOST:PORT/",
    "http://localhost.:PORT/",
    "http://a.localhost:PORT/",
    "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:PORT/",
    "http://ip6-localhost:PORT/",
    "http://localhost.localdomain:PORT/",
    "http://127.0.0.1.nip.example:PORT/",
    "http://private.example:PORT/",
    "http://mapped.example:PORT/",
    "http://translated.example:PORT/",
    // Networks, and the services of clouds.
    "http://10.0.0.1:PORT/",
    "http://10.255.255.255:PORT/",
    "http://172.16.0.1:PORT/",
    "http://172.31.255.255:PORT/",
    "http://192.168.0.1:PORT/",
    "http://100.64.0.1:PORT/",
    "http://100.100.100.200/latest/meta-data/",
    "http://169.254.169.254/latest/meta-data/",
    "http://[::ffff:169.254.169.254]/latest/meta-data/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://2852039166/latest/meta-data/",
    "http://0xa9fea9fe/latest/meta-data/",
    "http://0251.0376.0251.0376/latest/meta-data/",
    "http://metadata.google.internal/computeMetadata/v1/",
    "http://192.0.0.192/opc/v2/",
    "http://198.18.0.1:PORT/",
    "http://224.0.0.1:PORT/",
    "http://255.255.255.255:PORT/",
    "http://mixed.example:PORT/",
];

/// What is no URL of HTTP, or speaks to another protocol's port.
const ELSEWHERE: &[&str] = &[
    "file:///etc/passwd",
    "file://127.0.0.1/etc/passwd",
    "ftp://127.0.0.1/",
    "gopher://127.0.0.1:PORT/_POST",
    "dict://127.0.0.1:PORT/",
    "ldap://127.0.0.1/",
    "tftp://127.0.0.1/",
    "ws://127.0.0.1:PORT/",
    "jar:http://127.0.0.1:PORT!/",
    "data:text/plain,x",
    "javascript:1",
    "unix:/run/docker.sock",
    "//127.0.0.1:PORT/",
    "127.0.0.1:PORT",
    "",
    "http://1.1.1.1:22/",
    "http://1.1.1.1:25/",
    "http://[2606:4700:4700::1111]:6667/",
];

fn liar() -> Liar {
    Liar::default()
        .says("private.example", &[&["10.0.0.1"]])
        .says("mapped.example", &[&["::ffff:127.0.0.1"]])
        .says("translated.example", &[&["64:ff9b::a00:1"]])
        .says("metadata.google.internal", &[&["169.254.169.254"]])
        .says("mixed.example", &[&["::1", "fd00::1", "192.168.1.1", "127.0.0.1"]])
}

#[tokio::test]
async fn no_address_inside_is_reached_however_it_is_written() {
    let (inside, inside_6) = (Receiver::start("127.0.0.1:0").await, Receiver::start("[::1]:0").await);
    let invoker = HttpInvoker::new(Rules::default(), Arc::new(liar()));
    let ports = [inside.addr.port(), inside_6.addr.port()].map(|port| port.to_string());
    let targets =
        INSIDE.iter().chain(ELSEWHERE).flat_map(|target| ports.iter().map(|port| target.replace("PORT", port)));
    for target in targets {
        let answer = post(&invoker, &target, None).await;
        assert!(matches!(answer, Err(Error::Forbidden(_))), "{target}: {answer:?}");
    }
    assert_eq!((inside.connections(), inside_6.connections()), (0, 0));
}

#[tokio::test]
async fn no_redirect_leads_inside() {
    let (inside, outside) = (Receiver::start("127.0.0.1:0").await, Receiver::start("127.0.0.2:0").await);
    let invoker = HttpInvoker::new(rules("127.0.0.2"), Arc::new(liar()));
    let (start, port) = (format!("http://{}", outside.addr), inside.addr.port().to_string());
    for status in [301, 302, 303, 307, 308] {
        for target in INSIDE.iter().chain(&ELSEWHERE[..12]).chain(&["//127.0.0.1:PORT/", "//localhost:PORT/"]) {
            // What is in a header cannot hold everything that a URL can.
            let target = target.replace("PORT", &port).replace('\t', "");
            let url = format!("{start}/to/{status}/{}", encode(&target));
            let answer = post(&invoker, &url, None).await;
            // What a redirect takes for a path of its own host leads nowhere else.
            let stayed = answer.is_ok() && !inside_of(&target);
            assert!(stayed || matches!(answer, Err(Error::Forbidden(_))), "{status} {target}: {answer:?}");
        }
        let twice = format!("{start}/to/{status}/{}", encode(&format!("{start}/to/307/{}", encode("http://127.1/"))));
        assert!(matches!(post(&invoker, &twice, None).await, Err(Error::Forbidden(_))));
        let there = format!("{start}/to/{status}/{}", encode("/ok"));
        assert_eq!(
            post(&invoker, &there, None).await.unwrap().status,
            200,
            "a redirect that stays outside is followed"
        );
    }
    assert_eq!(inside.connections(), 0);
}

/// Whether a redirect to this names a host at all, and not a path.
fn inside_of(target: &str) -> bool {
    let base = url::Url::parse("http://127.0.0.2/").unwrap();
    base.join(target).is_ok_and(|url| url.host_str() != Some("127.0.0.2"))
}

#[tokio::test]
async fn a_name_that_changes_its_mind_is_asked_again_and_refused() {
    let (inside, outside) = (Receiver::start("127.0.0.1:0").await, Receiver::start("127.0.0.2:0").await);
    let port = outside.addr.port();
    let liar = Arc::new(
        Liar::default()
            .says("rebinding.example", &[&["127.0.0.2"], &["127.0.0.1"]])
            .says("pooled.example", &[&["127.0.0.2"], &["127.0.0.1"]])
            .says("both.example", &[&["127.0.0.1", "127.0.0.2"]]),
    );
    let invoker = HttpInvoker::new(rules("127.0.0.2"), liar.clone());
    // Its connection is gone when it is asked for again.
    let url = format!("http://rebinding.example:{port}/close");
    assert_eq!(post(&invoker, &url, None).await.unwrap().status, 200);
    let again = post(&invoker, &url, None).await;
    assert!(matches!(again, Err(Error::Forbidden(_))), "{again:?}");
    // A connection that is kept leads where it was checked to lead.
    let url = format!("http://pooled.example:{port}/");
    let asked = liar.asked.load(Ordering::SeqCst);
    for _ in 0..3 {
        assert_eq!(post(&invoker, &url, None).await.unwrap().status, 200);
    }
    assert_eq!(liar.asked.load(Ordering::SeqCst), asked + 1, "one connection did for all");
    // Of several addresses only those count that are allowed.
    assert_eq!(post(&invoker, &format!("http://both.example:{port}/"), None).await.unwrap().status, 200);
    assert_eq!(inside.connections(), 0);
}

#[tokio::test]
async fn a_kept_connection_is_no_way_around_the_list_of_a_namespace() {
    let outside = Receiver::start("127.0.0.2:0").await;
    let liar = Liar::default().says("hooks.example", &[&["127.0.0.2"]]).says("other.example", &[&["127.0.0.2"]]);
    let invoker = HttpInvoker::new(rules("127.0.0.2"), Arc::new(liar));
    let (hooks, other) = (
        format!("http://hooks.example:{}/", outside.addr.port()),
        format!("http://other.example:{}/", outside.addr.port()),
    );
    for only in [None, Some("hooks.example"), Some("*.example"), Some("127.0.0.0/30"), None] {
        assert_eq!(post(&invoker, &hooks, only).await.unwrap().status, 200, "{only:?}");
    }
    let before = outside.connections();
    for only in ["other.example", "*.hooks.example", "10.0.0.0/8", "127.0.0.1"] {
        let refused = post(&invoker, &hooks, Some(only)).await;
        assert!(matches!(&refused, Err(Error::Forbidden(why)) if why.contains("fabric.callback-hosts")), "{refused:?}");
    }
    // Nor is a redirect.
    let url = format!("{hooks}to/307/{}", encode(&other));
    assert!(matches!(post(&invoker, &url, Some("hooks.example")).await, Err(Error::Forbidden(_))));
    assert!(post(&invoker, &url, Some("*.example")).await.is_ok());
    assert!(outside.connections() <= before + 3, "what was refused did not connect");
}

#[tokio::test]
async fn what_an_operator_denies_is_denied_whatever_is_allowed() {
    let outside = Receiver::start("127.0.0.2:0").await;
    let liar = Liar::default().says("a.example", &[&["127.0.0.2"]]).says("b.example", &[&["127.0.0.2"]]);
    let liar = liar.says("localhost", &[&["127.0.0.1"]]);
    let deny = Hosts::parse("b.example,127.0.0.1").unwrap();
    let invoker = HttpInvoker::new(Rules { allow_private: true, deny, ..Rules::default() }, Arc::new(liar));
    let url = |host: &str| format!("http://{host}:{}/", outside.addr.port());
    assert_eq!(post(&invoker, &url("a.example"), None).await.unwrap().status, 200);
    for host in ["b.example", "B.EXAMPLE.", "127.0.0.1", "[::ffff:7f00:1]", "localhost"] {
        assert!(matches!(post(&invoker, &url(host), None).await, Err(Error::Forbidden(_))), "{host}");
    }
}

#[tokio::test]
async fn who_answers_without_end_is_not_listened_to() {
    let outside = Receiver::start("127.0.0.2:0").await;
    let invoker = HttpInvoker::new(rules("127.0.0.2"), Arc::new(Liar::default()));
    let answer = post(&invoker, &format!("http://{}/flood", outside.addr), None).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
}
