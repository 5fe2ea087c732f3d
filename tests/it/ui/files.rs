//! How the files are served.

use http::{Method, StatusCode};
use tests::client::Client;
use tests::fabric::Fabric;

#[tokio::test]
async fn the_dashboard_is_served_by_every_process_with_a_strict_policy_and_known_by_its_tag() {
    let dir = tempfile::tempdir().unwrap();
    let fabric = Fabric::start(&["gateway", "--data-dir", dir.path().to_str().unwrap()]).await;
    let (client, admin) = (Client::default(), &fabric.admin);
    let page = client.get(&format!("{admin}/ui/")).await.unwrap();
    assert_eq!((page.status, page.header("content-type")), (StatusCode::OK, "text/html; charset=utf-8"));
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'self';") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    let tag = page.header("etag");
    let again = client.send(Method::GET, &format!("{admin}/ui/"), &[("if-none-match", tag)], "").await.unwrap();
    assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
    let moved = client.get(&format!("{admin}/ui")).await.unwrap();
    assert_eq!((moved.status, moved.header("location")), (StatusCode::PERMANENT_REDIRECT, "/ui/"));
    assert_eq!(client.get(&format!("{admin}/ui/nothing.js")).await.unwrap().status, StatusCode::NOT_FOUND);
    let outside = client.get(&format!("{}/ui/", fabric.public)).await.unwrap();
    assert_eq!(outside.status, StatusCode::NOT_FOUND, "the public listener shows nothing of it");
}

/// A page of another site that an operator's browser shows can send requests here, but must change nothing.
#[tokio::test]
async fn another_site_changes_nothing_through_the_browser_of_an_operator() {
    let dir = tempfile::tempdir().unwrap();
    let fabric = Fabric::start(&["serve", "--data-dir", dir.path().to_str().unwrap()]).await;
    let (client, url) = (Client::default(), format!("{}/admin/v1/queues/default/pause", fabric.admin));
    for site in ["cross-site", "same-site"] {
        let refused = client.post(&url, &[("sec-fetch-site", site)], "").await.unwrap();
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{site}");
        assert!(refused.json()["detail"].as_str().unwrap().contains("another site"), "{:?}", refused.body);
    }
    let own = client.post(&url, &[("sec-fetch-site", "same-origin")], "").await.unwrap();
    assert_eq!(own.status, StatusCode::OK);
}
