//! `fabric`: see `fabric --help`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

/// The bytes of a call are allocated where its message is read and freed where it is settled, on another thread as a
/// rule: the system's allocator takes a lock for each.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    fabric::command::main()
}
