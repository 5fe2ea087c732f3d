//! The command that teaches a shell the command line.

use clap::Args;
use clap_complete::Shell;

/// `fabric completions`
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell: for bash, put what is printed into `~/.local/share/bash-completion/completions/fabric`.
    pub shell: Shell,
}
