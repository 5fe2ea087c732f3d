//! A reader's terminals: a `bash` that commands are typed into, and those in which one command runs on.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

/// How long a command may take. Generous: a slow machine is not a failure.
const WITHIN: Duration = Duration::from_secs(180);
/// How long those that a page leaves running may take to end.
const ENDED_WITHIN: Duration = Duration::from_secs(20);
/// What is printed behind what a command prints, with its exit code.
const END: &str = "-- the command has ended:";

/// A `bash` in a process group of its own, with all that it starts; none of it outlives this.
pub(super) struct Shell {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
    dir: std::path::PathBuf,
    count: usize,
}

/// What a command printed, on both outputs, and its exit code.
#[derive(Debug)]
pub(super) struct Printed {
    pub(super) lines: Vec<String>,
    pub(super) code: i32,
}

impl Shell {
    pub(super) fn start(dir: &Path, told: impl Fn(&mut Command)) -> Self {
        let mut command = Command::new("bash");
        command.args(["--noprofile", "--norc"]).current_dir(dir).process_group(0);
        told(&mut command);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (mut stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        writeln!(stdin, "exec 2>&1").unwrap();
        let (send, lines) = channel();
        // It ends with the last of those who print.
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, stdin, lines, dir: dir.into(), count: 0 }
    }

    /// Types a command, and waits until it has ended.
    ///
    /// # Errors
    /// With what it has printed, if it does not end.
    pub(super) fn run(&mut self, line: &str) -> Result<Printed, Vec<String>> {
        self.run_within(line, WITHIN)
    }

    fn run_within(&mut self, line: &str, within: Duration) -> Result<Printed, Vec<String>> {
        self.count += 1;
        let file = self.dir.join(format!(".command-{}", self.count));
        std::fs::write(&file, format!("{line}\n")).unwrap();
        // Read from a file, so that it finds nothing of what is typed after it on its input; the code of the one before
        // it is what it finds in `$?`.
        let typed =
            format!("{{ . {}; }} < /dev/null; code=$?; printf '\\n{END} %s\\n' $code; (exit $code)", file.display());
        if writeln!(self.stdin, "{typed}").is_err() {
            return Err(vec!["bash has ended".into()]);
        }
        let mut lines = Vec::new();
        loop {
            match self.lines.recv_timeout(within) {
                Ok(line) => match line.strip_prefix(END) {
                    Some(code) => {
                        // The end begins a line of its own: the one before it is empty if the command ended its last.
                        if lines.last().is_some_and(String::is_empty) {
                            lines.pop();
                        }
                        return Ok(Printed { lines, code: code.trim().parse().unwrap() });
                    }
                    None => lines.push(line),
                },
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Err(lines),
            }
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // Those that run on end what they have started themselves, if they are asked; asked again, they do so at once.
        drop(self.run_within("while [ -n \"$(jobs -pr)\" ]; do kill $(jobs -pr); sleep 0.1; done", ENDED_WITHIN));
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // Whoever is left of it; it may be nobody.
            if let Err(error) = kill_process_group(group, Signal::KILL) {
                assert_eq!(error, rustix::io::Errno::SRCH, "the group {group:?} cannot be ended");
            }
        }
        drop(self.child.wait());
    }
}
