//! How many instructions a call costs, from being accepted to being settled: `cargo bench -p tests --bench
//! instructions`. Counted by valgrind, so that it is the same on a busy machine; fails if a call has become dearer
//! than it is said to be in `instructions.txt`.

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

use std::process::{Command, ExitCode};

/// Two runs are counted; what is more in the longer one is what the calls cost that it has more.
const CALLS: [usize; 2] = [2000, 6000];
/// What a compiler or a machine may change, as a share.
const TOLERANCE: f64 = 0.08;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("calls") => {
            calls::run(args[2].parse().unwrap());
            ExitCode::SUCCESS
        }
        Some("--bench") => check(),
        // As a test it only has to run.
        _ => {
            calls::run(10);
            ExitCode::SUCCESS
        }
    }
}

fn check() -> ExitCode {
    let counts = CALLS.map(instructions);
    let [Some(few), Some(many)] = counts else {
        println!("valgrind is not installed: instructions are not counted");
        return ExitCode::SUCCESS;
    };
    let each = (many - few) as f64 / (CALLS[1] - CALLS[0]) as f64;
    let said: f64 = include_str!("instructions.txt").trim().parse().unwrap();
    println!("{each:.0} instructions for a call; said to be {said:.0}, so {:.2} of that", each / said);
    if each > said * (1.0 + TOLERANCE) {
        println!("a call has become dearer: mend it, or write the new number into tests/bench/instructions.txt");
        return ExitCode::FAILURE;
    }
    if each < said * (1.0 - TOLERANCE) {
        println!("a call has become cheaper: write the new number into tests/bench/instructions.txt");
    }
    ExitCode::SUCCESS
}

/// How many instructions a run of so many calls takes; nothing without valgrind.
fn instructions(calls: usize) -> Option<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe().unwrap())
        .args(["calls", &calls.to_string()])
        .output()
        .ok()?;
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let count = told.lines().find_map(|line| line.split("Collected : ").nth(1));
    Some(count.unwrap_or_else(|| panic!("no count in {told}")).trim().parse().unwrap())
}
