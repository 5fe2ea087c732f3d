//! Whatever comes from outside is read or refused: never a panic, never for ever.
//!
//! `FABRIC_FUZZ_CASES=1000000 cargo test -p tests --test it fuzzed -- --nocapture` tries more than the usual number.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use tests::fuzz::{TARGETS, Target, target};

/// How many inputs each target gets, divided by its weight.
const CASES: usize = 4000;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("fuzz")
}

/// The inputs that are kept of a target.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(folder().join("corpus").join(name)).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// Calls a target; what made it panic is told in the words that make a file of it.
fn attempt(target: &Target, input: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_err() {
        let shown = input.escape_ascii();
        panic!("{} panics; keep it as a file of fuzz/corpus/{}: printf '{shown}'", target.name, target.name);
    }
}

/// What is often wrong with bytes.
const ODD: &[&[u8]] = &[
    b"\0",
    b"\r\n",
    b"\n",
    b"\"",
    b"\\",
    b"{",
    b"[",
    b"}",
    b"]",
    b"%",
    b"..",
    b"/",
    b"//",
    b":",
    b"@",
    b",",
    b"=",
    b"-1",
    b"1e999",
    b"99999999999999999999",
    b"\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff",
    b"\x9f",
    b"\xc1",
    b"\xc0\x80",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xa8",
    b"\xed\xa0\x80",
    b"null",
    b"true",
    b"{}",
    b"[]",
    b"0s",
    b"1y",
    b"Infinity",
    b"NaN",
    b"\\u0000",
    b"\\ud800",
    b"&a",
    b"*a",
    b"!!",
    b"<<: *a",
    b"---\n",
    b"'''",
    b"http://",
    b"[::1]",
    b"xn--",
];

/// A kept input with some changes, two of them joined, or nothing but chance.
fn changed(kept: &[Vec<u8>], rng: &mut SmallRng) -> Vec<u8> {
    let mut input = match rng.random_range(0..10) {
        0 => (0..rng.random_range(0..200)).map(|_| rng.random()).collect(),
        1 => {
            let halves = [kept.choose(rng), kept.choose(rng)].map(|half| half.cloned().unwrap_or_default());
            let cut = |half: &[u8], rng: &mut SmallRng| rng.random_range(0..=half.len());
            [&halves[0][..cut(&halves[0], rng)], &halves[1][cut(&halves[1], rng)..]].concat()
        }
        _ => kept.choose(rng).cloned().unwrap_or_default(),
    };
    for _ in 0..rng.random_range(0..6) {
        let at = rng.random_range(0..=input.len());
        let until = (at + rng.random_range(0..16)).min(input.len());
        match rng.random_range(0..6) {
            0 => drop(input.drain(at..until)),
            1 => input.splice(at..at, ODD.choose(rng).unwrap_or(&&b""[..]).iter().copied()).for_each(drop),
            2 => input.splice(at..until, ODD.choose(rng).unwrap_or(&&b""[..]).iter().copied()).for_each(drop),
            3 => {
                input.get_mut(at..until).unwrap_or_default().iter_mut().take(1).for_each(|byte| *byte ^= 1 << (at % 8));
            }
            4 => input.insert(at, rng.random()),
            _ => {
                let copy = input[at..until].repeat(rng.random_range(1..40));
                input.splice(at..at, copy).for_each(drop);
            }
        }
    }
    input
}

#[test]
fn what_was_kept_is_read_or_refused() {
    for target in &TARGETS {
        let kept = corpus(target.name);
        assert!(!kept.is_empty(), "fuzz/corpus/{} is empty", target.name);
        kept.iter().for_each(|input| attempt(target, input));
    }
}

#[test]
fn what_is_like_it_is_read_or_refused() {
    let cases = std::env::var("FABRIC_FUZZ_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(CASES);
    let mut tried = BTreeMap::new();
    for (n, target) in TARGETS.iter().enumerate() {
        let (kept, mut rng) = (corpus(target.name), SmallRng::seed_from_u64(n as u64));
        for _ in 0..cases.div_ceil(target.weight) {
            attempt(target, &changed(&kept, &mut rng));
            *tried.entry(target.name).or_insert(0) += 1;
        }
    }
    eprintln!("inputs tried, none of which ended in a panic: {tried:?}");
}

/// What is nested deeper than any stack is refused.
#[test]
fn depth_is_refused() {
    const DEPTH: usize = 200_000;
    for (name, open, close) in [
        ("openfaas", "[", "]"),
        ("openfaas", "{\"a\":", "}"),
        ("deployment", "{\"a\":", "}"),
        ("namespace", "{\"signing\":[", "]}"),
        ("apply", "[", "]"),
        ("apply", "{a: ", "}"),
        ("apply", "a = [", "]"),
        ("apply", "- ", ""),
        ("config", "a = [", "]"),
        ("config", "a = { b = ", "}"),
        ("envelope", "\u{1}\u{1}", ""),
    ] {
        attempt(target(name), format!("{}{}", open.repeat(DEPTH), close.repeat(DEPTH)).as_bytes());
    }
    for (name, opening) in [("envelope", 0x91), ("envelope", 0x81), ("record", 0x91), ("page", 0x91), ("letter", 0x91)]
    {
        attempt(target(name), &vec![opening; DEPTH]);
    }
}

/// A short file of YAML that stands for more than any memory holds is refused.
#[test]
fn what_grows_when_it_is_read_is_refused() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for n in 1..12 {
        let before = format!("*a{}", n - 1);
        bomb += &format!("a{n}: &a{n} [{}]\n", vec![before; 10].join(", "));
    }
    attempt(target("apply"), format!("functions:\n  f:\n    labels: *a11\n{bomb}").as_bytes());
    attempt(target("apply"), bomb.as_bytes());
}

#[test]
fn every_target_is_one_of_cargo_fuzz_too() {
    let manifest = std::fs::read_to_string(folder().join("Cargo.toml")).unwrap();
    for target in &TARGETS {
        let source = std::fs::read_to_string(folder().join(format!("targets/{}.rs", target.name))).unwrap();
        assert!(source.contains(&format!("target(\"{}\")", target.name)), "{}", target.name);
        assert!(manifest.contains(&format!("path = \"targets/{}.rs\"", target.name)), "{}", target.name);
    }
}
