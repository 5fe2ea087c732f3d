//! `fabric`: see `fabric --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    fabric::command::main()
}
