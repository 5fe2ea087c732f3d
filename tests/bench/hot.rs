//! What a call passes through, piece by piece: `cargo bench -p tests --bench hot`. As a test each runs once.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark that cannot go on fails"
)]

mod calls;
mod desk;
mod settle;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actors::flight::lease::Ring;
use actors::permit::Permits;
use actors::permit::capacity::{Capacity, Notice};
use actors::permit::share::{Standings, Wish};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use http::{HeaderValue, StatusCode};
use proto::record::{Kept, State};
use proto::subject::Subjects;
use proto::{Call, CallId, Function, LaneKey, Queue, Record, Request, Timestamp, codec, page};
use tokio::time::Instant;

fn main() {
    divan::main();
}

fn lane() -> LaneKey {
    LaneKey::new(Queue::default(), Function::parse("resize.acme").unwrap())
}

/// As a client sends it: 256 bytes, four headers.
fn call() -> Call {
    let id = CallId::parse("01a1fb8a-90a9-72c9-9b96-ce5ec40c3cf3").unwrap();
    let mut request = Request { body: vec![b'x'; 256].into(), ..Request::default() };
    for name in ["content-type", "user-agent", "accept", "traceparent"] {
        request.headers.insert(name, HeaderValue::from_static("something usual"));
    }
    Call::new(id, lane().function, Timestamp::from_unix_nanos(1_790_000_000_000_000_000), request)
}

fn record() -> Record {
    let result = Kept { content_type: Some("text/plain".into()), body: vec![b'x'; 64].into(), omitted: None };
    Record { result: Some(result), ..Record::of(&call(), &lane(), State::Succeeded, call().accepted_at) }
}

#[divan::bench]
fn encode_a_call(bencher: Bencher<'_, '_>) {
    let call = call();
    bencher.bench(|| codec::encode(black_box(&call)));
}

#[divan::bench]
fn decode_a_call(bencher: Bencher<'_, '_>) {
    let bytes = codec::encode(&call());
    bencher.bench(|| codec::decode(black_box(&bytes)).unwrap());
}

#[divan::bench]
fn encode_a_record(bencher: Bencher<'_, '_>) {
    let record = record();
    bencher.bench(|| black_box(&record).encode());
}

#[divan::bench]
fn read_a_page_of_a_hundred(bencher: Bencher<'_, '_>) {
    let page: Vec<u8> = (0..100).flat_map(|_| record().encode().to_vec()).collect();
    bencher.counter(ItemsCount::new(100_usize)).bench(|| page::read(black_box(&page)));
}

#[divan::bench]
fn write_a_subject(bencher: Bencher<'_, '_>) {
    let (names, lane) = (Subjects::default(), lane());
    bencher.bench(|| names.ready(black_box(&lane), 7));
}

#[divan::bench]
fn read_a_subject(bencher: Bencher<'_, '_>) {
    let names = Subjects::default();
    let subject = names.ready(&lane(), 7);
    bencher.bench(|| names.parse_ready(black_box(&subject)));
}

#[divan::bench]
fn wish_for_a_permit_and_get_it(bencher: Bencher<'_, '_>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _within = runtime.enter();
    let capacity = Capacity::new(256);
    // A permit that is told of goes home at once.
    let mut seat = capacity.join(
        lane(),
        Arc::new(|notice| match notice {
            Notice::Granted(_) | Notice::LetGo => Ok(()),
        }),
    );
    bencher.bench_local(|| {
        seat.wish(Wish { count: 1, brief: true, quick: true, standings: Standings::default() });
        seat.granted();
    });
}

/// So many functions of quick calls wait for more than there is.
#[divan::bench(args = [1, 100, 1000])]
fn give_a_permit_back_that_others_wait_for(bencher: Bencher<'_, '_>, functions: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _within = runtime.enter();
    let (capacity, granted) = (Capacity::new(256), Arc::<Mutex<VecDeque<Permits>>>::default());
    let sit = |n: usize| {
        let granted = granted.clone();
        let tell = move |notice| {
            if let Notice::Granted(permits) = notice {
                granted.lock().unwrap().push_back(permits);
            }
            Ok(())
        };
        let lane = LaneKey::new(Queue::default(), Function::parse(&format!("f{n}")).unwrap());
        let mut seat = capacity.join(lane, Arc::new(tell));
        seat.wish(Wish { count: u32::MAX, brief: true, quick: true, standings: Standings::default() });
        seat
    };
    let _seats: Vec<_> = (0..functions).map(sit).collect();
    bencher.bench_local(|| {
        let mut held = granted.lock().unwrap().pop_front().unwrap();
        let one = held.take(1);
        if held.count() > 0 {
            granted.lock().unwrap().push_front(held);
        }
        drop(one);
    });
}

#[divan::bench(args = [1, 64, 1024])]
fn hold_and_release_a_lease(bencher: Bencher<'_, '_>, others: u64) {
    let now = Instant::now().into_std();
    let mut ring = Ring::default();
    (0..others).for_each(|key| ring.hold(key, now));
    let mut key = others;
    bencher.bench_local(|| {
        key += 1;
        ring.hold(key, now);
        ring.release(key);
        ring.older_than(Duration::from_secs(3), now).len()
    });
}

#[divan::bench(args = [200, 503])]
fn settle_a_call(bencher: Bencher<'_, '_>, status: u16) {
    let (settling, status) = (settle::Settling::new(), StatusCode::from_u16(status).unwrap());
    bencher.with_inputs(|| settling.answered(status)).bench_local_values(|answered| settling.settle(answered));
}

#[divan::bench(sample_count = 10)]
fn run_a_thousand_calls(bencher: Bencher<'_, '_>) {
    bencher.counter(ItemsCount::new(1000_usize)).bench(|| calls::run(1000));
}
