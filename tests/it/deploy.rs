//! What is in `deploy/`: each file is read by the tool that it is for, and what it starts is asked of the program.

mod chart;
mod compose;
mod custom;
mod ending;
mod image;
mod installed;
mod names;
mod nats;
mod network;
mod rendered;
mod scaling;
mod systemd;

use std::path::{Path, PathBuf};
use std::process::Command;

use tests::fabric::binary;

fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("deploy").join(path)
}

/// `fabric`, told nothing but what follows.
fn fabric() -> Command {
    let mut fabric = Command::new(binary());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("FABRIC_")) {
        fabric.env_remove(name);
    }
    fabric
}
