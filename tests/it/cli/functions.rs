//! `fabric function`, `fabric worker list`, and what all commands have in common.

use futures_util::future::join;
use serde_json::json;
use tests::fabric::Fabric;

use super::run::{ask, json, run};

#[tokio::test(flavor = "multi_thread")]
async fn a_function_is_set_shown_changed_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let fabric = Fabric::start(&["serve", "--data-dir", dir.path().to_str().unwrap()]).await;
    ask(&fabric, "function set f.acme --upstream http://127.0.0.1:9 --concurrency 5 --label team=a").await.good();
    let set = json(&fabric, "function get f.acme").await;
    assert_eq!(set["annotations"], json!({"fabric.upstream": "http://127.0.0.1:9", "fabric.concurrency": "5"}));
    assert_eq!(set["labels"], json!({"team": "a"}));

    ask(&fabric, "function set f.acme --rate 7/s --unset fabric.concurrency --annotation fabric.weight=2").await.good();
    let set = json(&fabric, "function get f.acme").await;
    let expected = json!({"fabric.upstream": "http://127.0.0.1:9", "fabric.rate": "7/s", "fabric.weight": "2"});
    assert_eq!(set["annotations"], expected, "the rest is left as it was");

    let table = ask(&fabric, "function list").await.good().stdout;
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[1], ["f.acme", "default", "7/s", "http://127.0.0.1:9"], "{table}");
    assert_eq!(json(&fabric, "function list --namespace other").await, json!([]));
    assert_eq!(json(&fabric, "function list").await[0]["name"], "f.acme");
    let one = ask(&fabric, "function get f.acme").await.good().stdout;
    assert!(one.starts_with("name         f.acme\n") && one.contains("fabric.rate      7/s"), "{one}");

    let file = dir.path().join("f.toml");
    std::fs::write(&file, "[annotations]\n\"fabric.upstream\" = \"http://127.0.0.1:10\"\n").unwrap();
    ask(&fabric, &format!("function set f.acme -f {}", file.display())).await.good();
    assert_eq!(json(&fabric, "function get f.acme").await["annotations"].as_object().unwrap().len(), 1);

    let bad = ask(&fabric, "function set f.acme --rate fast").await.failed();
    assert_eq!(bad.stderr.lines().count(), 1, "{}", bad.stderr);
    assert!(bad.stderr.starts_with("fabric: Bad spec: /annotations/fabric.rate: "), "{}", bad.stderr);
    let empty = ask(&fabric, "function set f.acme").await.failed();
    assert!(empty.stderr.contains("say what, such as --concurrency 5"), "{}", empty.stderr);

    let removed = ask(&fabric, "function rm f.acme --backlog dead-letter").await.good();
    assert_eq!(removed.stdout, "function f.acme is being deleted (dead-letter)\n");
    let unknown = ask(&fabric, "function get nobody").await.failed();
    assert!(unknown.stderr.contains("nobody") && unknown.stdout.is_empty(), "{}", unknown.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_operators_one_wins_and_the_other_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let fabric = Fabric::start(&["serve", "--data-dir", dir.path().to_str().unwrap()]).await;
    ask(&fabric, "function set f --upstream http://127.0.0.1:9").await.good();
    ask(&fabric, "queue set q --attempts 3").await.good();
    for (what, set) in [("function f", "function set f --rate"), ("queue q", "queue set q --annotation")] {
        let get = what.replacen(' ', " get ", 1);
        let read = json(&fabric, &get).await["revision"].as_u64().unwrap();
        let values =
            if what == "queue q" { ["fabric.retry.crashes=1", "fabric.retry.crashes=2"] } else { ["1/s", "2/s"] };
        let set = |value: &str| format!("{set} {value} --if-match {read}");
        let (set_a, set_b) = (set(values[0]), set(values[1]));
        let (a, b) = join(ask(&fabric, &set_a), ask(&fabric, &set_b)).await;
        let (won, lost) = if a.code == 0 { (a, b) } else { (b, a) };
        won.good();
        let lost = lost.failed().stderr;
        let there = json(&fabric, &get).await["revision"].as_u64().unwrap();
        let told = format!("{what} was changed by somebody else: revision {there} is there, not revision {read}");
        assert!(lost.contains(&told) && lost.contains(&format!("--if-match {there}")), "{lost}");
        assert!(lost.contains(&format!("fabric {get}")), "{lost}");
    }
    ask(&fabric, "function set f --rate 9/s").await.good();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_says_where_it_looked_and_is_told_where_to_look() {
    let dir = tempfile::tempdir().unwrap();
    let fabric = Fabric::start(&["serve", "--data-dir", dir.path().join("data").to_str().unwrap()]).await;
    let file = dir.path().join("fabric.toml");
    std::fs::write(&file, format!("admin = '{}'\noutput = 'json'\n", fabric.admin)).unwrap();
    let workers = run(&format!("worker list --config {}", file.display())).await.good().json();
    assert_eq!((workers[0]["gateway"].as_bool(), &workers[0]["serves"]), (Some(true), &json!("everything")));
    let table = ask(&fabric, "worker list").await.good().stdout;
    assert!(table.starts_with("ID") && table.contains("everything"), "{table}");

    for words in ["function list", "queue list", "worker list", "tree", "top", "why f", "dead list", "call get c"] {
        let nobody = run(&format!("{words} --admin http://127.0.0.1:1")).await.failed();
        assert!(nobody.stderr.contains("--admin right?") && nobody.stdout.is_empty(), "{words}: {}", nobody.stderr);
    }
    for words in ["function", "queue purge", "call list", "dead redrive x", "tree --output xml", "why"] {
        assert_eq!(run(words).await.code, 2, "{words}");
    }
}
