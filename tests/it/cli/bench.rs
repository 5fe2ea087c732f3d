//! `fabric bench`: measures what it is asked to, says so to people and to programs, and leaves nothing behind.

use std::fs;

use async_nats::jetstream;
use futures_util::TryStreamExt;
use serde_json::Value;
use tests::nats::Nats;

use super::run::run;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_measured_is_told_beside_the_bare_program_and_nothing_is_left() {
    let (nats, dir) = (Nats::start().await, tempfile::tempdir().unwrap());
    let at = |name: &str| dir.path().join(name).display().to_string();
    let (data, json, plots) = (at("data"), at("bench.json"), at("plots"));
    fs::create_dir(&data).unwrap();
    let what = format!("--broker {} --data-dir {data} --json {json} --plots {plots}", nats.url());
    let said = run(&format!("bench {what} --rounds 1 --calls 200 --rate 2000 --only enqueue,drain,latency,embedded"))
        .await
        .good();

    let results: Value = serde_json::from_str(&fs::read_to_string(&json).unwrap()).unwrap();
    let figures = results["figures"].as_array().unwrap();
    let keys: Vec<&str> = figures.iter().map(|figure| figure["key"].as_str().unwrap()).collect();
    for key in ["enqueue", "drain_64", "drain_256", "latency_p50_ms", "embedded_enqueue", "embedded_drain"] {
        assert!(keys.contains(&key), "{key} of {keys:?}");
    }
    // The CPU of so few calls may be less than what the system counts in.
    for figure in figures.iter().filter(|figure| figure["unit"] != "ms" || figure["key"] == "latency_p50_ms") {
        let (fabric, bare) = (figure["fabric"].as_f64().unwrap(), figure["bare"].as_f64().unwrap());
        assert!(fabric > 0.0 && bare > 0.0, "{figure}");
        assert_eq!(figure["ratio"].as_f64(), Some(fabric / bare), "of one round: {figure}");
    }
    let rows: Vec<&str> = said.stdout.lines().take_while(|line| line.starts_with('|')).collect();
    assert_eq!(rows.len(), 2 + figures.len(), "{}", said.stdout);
    assert!(rows[2].contains("calls accepted, of what the bare server answers"), "{}", said.stdout);
    assert!(said.stdout.contains("1 rounds; 200 calls for a rate, 2000/s for latency"), "{}", said.stdout);
    assert!(fs::read_to_string(format!("{plots}/ratios.svg")).unwrap().contains("calls run, 64 at once"));

    let context = jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    let streams: Vec<String> = context.stream_names().try_collect().await.unwrap();
    assert!(streams.is_empty(), "{streams:?}");
    assert_eq!(fs::read_dir(&data).unwrap().count(), 0);
}
