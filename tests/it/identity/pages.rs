//! What a web page that somebody on this machine looks at can have his browser do, where nobody has to say who he is.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tests::client::{Answer, Client};
use tests::fabric::Fabric;
use tests::function::Server;

use super::asker::locked;

const CROSS_SITE: (&str, &str) = ("sec-fetch-site", "cross-site");
/// The names that pages have lead here.
const STRANGE: [&str; 3] = ["rebind.evil.example:8080", "localhost.evil.example", "gateway"];

async fn asked(method: Method, url: &str, headers: &[(&str, &str)]) -> Answer {
    let function = json!({"service": "f", "annotations": {"fabric.upstream": "http://127.0.0.1:9"}});
    Client::default().send(method, url, headers, function.to_string()).await.unwrap()
}

/// Where functions can be changed, and how.
fn changes(fabric: &Fabric) -> [(Method, String); 4] {
    [
        (Method::POST, format!("{}/system/functions", fabric.public)),
        (Method::PUT, format!("{}/system/functions", fabric.public)),
        (Method::PUT, format!("{}/system/functions", fabric.admin)),
        (Method::PUT, format!("{}/admin/v1/functions/f", fabric.admin)),
    ]
}

fn word(answer: &Answer) -> String {
    let told = answer.json();
    let word = told["error"].as_str().or_else(|| told["type"].as_str()?.strip_prefix("urn:fabric:problem:"));
    word.unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_page_of_another_site_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let fabric = Fabric::start(&["serve", "--data-dir", dir.path().to_str().unwrap()]).await;
    let text = ("content-type", "text/plain");
    for (method, url) in changes(&fabric) {
        let own = format!("http://{}", url.split('/').nth(2).unwrap());
        for page in [CROSS_SITE, ("sec-fetch-site", "same-site"), ("origin", "http://evil.example"), ("origin", "null")]
        {
            let refused = asked(method.clone(), &url, &[page, text]).await;
            assert_eq!((refused.status, word(&refused).as_str()), (StatusCode::FORBIDDEN, "foreign"), "{url} {page:?}");
        }
        for ours in [text, ("sec-fetch-site", "same-origin"), ("sec-fetch-site", "none"), ("origin", own.as_str())] {
            let done = asked(method.clone(), &url, &[ours]).await.status;
            assert!(done.is_success(), "{done} {url} {ours:?}");
        }
    }
}

#[tokio::test]
async fn a_name_that_is_made_to_lead_here_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let fabric = Fabric::start(&["serve", "--data-dir", dir.path().to_str().unwrap()]).await;
    let reads = ["/system/functions", "/admin/v1/functions", "/metrics", "/ui/"];
    let reads = reads.map(|path| (Method::GET, format!("{}{path}", fabric.admin)));
    let public = (Method::GET, format!("{}/system/functions", fabric.public));
    for (method, url) in changes(&fabric).into_iter().chain(reads).chain([public]) {
        for name in STRANGE {
            let refused = asked(method.clone(), &url, &[("host", name), ("sec-fetch-site", "same-origin")]).await;
            assert_eq!(
                (refused.status, word(&refused).as_str()),
                (StatusCode::FORBIDDEN, "strange_host"),
                "{url} {name}"
            );
            let said = String::from_utf8_lossy(&refused.body).into_owned();
            assert!(said.contains("--admin-key-file") && said.contains("--insecure-no-auth"), "{said}");
        }
        for name in ["localhost:1", "fabric.localhost", "127.0.0.1", "[::1]:8080", "192.168.1.7"] {
            let done = asked(method.clone(), &url, &[("host", name)]).await.status;
            assert!(done.is_success(), "{done} {url} {name}");
        }
    }
    for open in [format!("{}/healthz", fabric.admin), format!("{}/readyz", fabric.admin), format!("{}/", fabric.public)]
    {
        assert_eq!(asked(Method::GET, &open, &[("host", "gateway")]).await.status, StatusCode::OK, "{open}");
    }
}

#[tokio::test]
async fn functions_are_called_by_any_name_and_not_by_pages_of_other_sites() {
    let (dir, server) = (tempfile::tempdir().unwrap(), Server::start().await);
    let fabric = Fabric::start(&["serve", "--data-dir", dir.path().to_str().unwrap()]).await;
    fabric.register("f", json!({"fabric.upstream": server.url("/ok")})).await;
    for path in ["/async-function/f", "/function/f"] {
        let url = format!("{}{path}", fabric.public);
        let refused = asked(Method::POST, &url, &[CROSS_SITE]).await;
        assert_eq!((refused.status, word(&refused).as_str()), (StatusCode::FORBIDDEN, "foreign"));
        for may in
            [("host", "gateway.openfaas:8080"), ("sec-fetch-site", "same-site"), ("origin", "http://localhost:3000")]
        {
            let done = asked(Method::POST, &url, &[may]).await.status;
            assert!(done.is_success(), "{done} {path} {may:?}");
        }
    }
    let cancelled = asked(Method::DELETE, &format!("{}/calls/nobodys", fabric.public), &[CROSS_SITE]).await;
    assert_eq!(word(&cancelled), "foreign");
}

#[tokio::test]
async fn who_has_said_that_it_is_open_or_needs_keys_is_asked_by_any_name() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [open, keys] = dirs.each_ref().map(|dir| dir.path().to_str().unwrap());
    let open = Fabric::start(&["serve", "--data-dir", open, "--insecure-no-auth"]).await;
    for (method, url) in changes(&open) {
        let done = asked(method.clone(), &url, &[("host", "fabric.mesh")]).await.status;
        assert!(done.is_success(), "{done} {url}");
        let refused = asked(method, &url, &[("host", "fabric.mesh"), CROSS_SITE]).await;
        assert_eq!(word(&refused), "foreign", "no page changes anything here either");
    }
    let called = asked(Method::POST, &format!("{}/async-function/f", open.public), &[CROSS_SITE]).await;
    assert_eq!(called.status, StatusCode::ACCEPTED, "pages may call functions");
    let locked = locked(&["serve", "--data-dir", keys]).await;
    for (method, url) in changes(&locked) {
        assert_eq!(asked(method, &url, &[("host", "fabric.example")]).await.status, StatusCode::UNAUTHORIZED, "{url}");
    }
    let me = super::asker::Asker::admin();
    let whoami = format!("{}/admin/v1/whoami", locked.admin);
    assert_eq!(me.ask(Method::GET, &whoami, &[("host", "fabric.example")], &Value::Null).await.status, StatusCode::OK);
}
