//! A process and all that it starts: one group, which is signalled and ended together.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, waitpgid};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::program::Program;

/// How long a process has after SIGTERM until SIGKILL.
pub(super) const TERM_WITHIN: Duration = Duration::from_secs(5);
/// How long whoever was killed may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(1);
/// Between two looks at whether he is.
const PAUSE: Duration = Duration::from_millis(5);

/// A process, the first of its group. If it is dropped it is killed, though not what it has started.
pub(super) struct Process {
    child: Child,
    group: Option<Pid>,
}

/// Its standard streams.
pub(super) struct Streams {
    pub(super) stdin: Option<ChildStdin>,
    pub(super) stdout: Option<ChildStdout>,
    pub(super) stderr: Option<ChildStderr>,
}

impl Process {
    /// Starts a program with these variables besides our own. Without `stdin` it reads nothing.
    ///
    /// # Errors
    /// When the operating system does not start it.
    pub(super) fn start(
        program: &Program,
        variables: impl IntoIterator<Item = (String, std::ffi::OsString)>,
        stdin: bool,
    ) -> io::Result<(Self, Streams)> {
        let mut command = Command::new(program.path());
        command
            .args(program.arguments())
            .envs(variables)
            .stdin(if stdin { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            // A group of its own: it can be signalled with all that it starts, and a terminal's Ctrl-C is ours alone.
            .process_group(0);
        let mut child = command.spawn()?;
        let streams = Streams { stdin: child.stdin.take(), stdout: child.stdout.take(), stderr: child.stderr.take() };
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        Ok((Self { child, group }, streams))
    }

    /// Its id.
    pub(super) fn id(&self) -> i32 {
        self.group.map_or(0, |pid| pid.as_raw_nonzero().get())
    }

    /// The group, as far as it can be signalled from elsewhere.
    pub(super) fn group(&self) -> Group {
        Group(self.group)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When the operating system does not tell.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Ends it: SIGTERM to the group, and SIGKILL to what is left after [`TERM_WITHIN`], or as soon as there is `hurry`.
    ///
    /// # Errors
    /// When the operating system does not tell of its end.
    pub(super) async fn end(&mut self, hurry: &CancellationToken) -> io::Result<ExitStatus> {
        // Once it has ended, its id may be another's.
        if let Some(status) = self.child.try_wait()? {
            self.sweep().await;
            return Ok(status);
        }
        let group = self.group();
        group.signal(Signal::TERM);
        let patience = async { drop(timeout(TERM_WITHIN, hurry.cancelled()).await) };
        let in_time = tokio::select! {
            biased;
            status = self.child.wait() => Some(status),
            () = patience => None,
        };
        let status = match in_time {
            Some(status) => status,
            None => {
                group.signal(Signal::KILL);
                self.child.wait().await
            }
        };
        self.sweep().await;
        status
    }

    /// Once it has ended: kills what it has left behind. Where we are the one to whom orphans are given, as the first
    /// process of a container is, they are waited for too, so that none stays as a zombie.
    pub(super) async fn sweep(&mut self) {
        let Some(group) = self.group.take() else { return };
        // The id of a group is nobody else's while anybody is in it; were it empty, ids would have to go once around
        // since the line above for it to be somebody's.
        Group(Some(group)).signal(Signal::KILL);
        let until = Instant::now() + GONE_WITHIN;
        loop {
            match waitpgid(group, WaitOptions::NOHANG) {
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) if Instant::now() < until => sleep(PAUSE).await,
                // None of them is ours to wait for, as a rule: there are none.
                Ok(None) | Err(_) => return,
            }
        }
    }
}

/// A group of processes.
#[derive(Clone, Copy)]
pub(super) struct Group(Option<Pid>);

impl Group {
    pub(super) fn signal(self, signal: Signal) {
        let Some(group) = self.0 else { return };
        match kill_process_group(group, signal) {
            Ok(()) | Err(Errno::SRCH) => {}
            Err(error) => tracing::warn!(%error, group = group.as_raw_nonzero().get(), "a process cannot be signalled"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use tokio::io::{AsyncBufReadExt, BufReader};

    use super::*;

    async fn shell(script: &str) -> (Process, Streams) {
        let words = ["/bin/sh", "-c", script].map(Into::into);
        Process::start(&Program::new(words).unwrap(), [], false).unwrap()
    }

    /// Its first line of output, which says that it has come so far.
    async fn first_line(streams: &mut Streams) -> String {
        let mut lines = BufReader::new(streams.stdout.take().unwrap()).lines();
        lines.next_line().await.unwrap().unwrap()
    }

    fn is_there(pid: &str) -> bool {
        // Not by its command line: a process that is becoming another program has none for a moment.
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
        let (_, after_the_name) = stat.rsplit_once(") ").unwrap();
        !after_the_name.starts_with(['Z', 'X'])
    }

    #[tokio::test]
    async fn it_is_asked_to_end_before_it_is_made_to() {
        let (mut process, mut streams) = shell("trap 'exit 7' TERM; echo up; while :; do sleep 0.01; done").await;
        first_line(&mut streams).await;
        assert_eq!(process.end(&CancellationToken::new()).await.unwrap().code(), Some(7));
    }

    #[tokio::test]
    async fn what_does_not_listen_is_killed_with_all_that_it_started() {
        let script = "trap '' TERM; sh -c 'trap \"\" TERM; echo $$; while :; do sleep 0.01; done'";
        let (mut process, mut streams) = shell(script).await;
        let child = first_line(&mut streams).await;
        let hurry = CancellationToken::new();
        hurry.cancel();
        assert_eq!(process.end(&hurry).await.unwrap().signal(), Some(9));
        while is_there(&child) {
            sleep(PAUSE).await;
        }
    }

    #[tokio::test]
    async fn what_it_leaves_behind_goes_too() {
        let (mut process, mut streams) = shell("sleep 1000 & echo $!").await;
        let left = first_line(&mut streams).await;
        process.ended().await.unwrap();
        assert!(is_there(&left));
        process.sweep().await;
        while is_there(&left) {
            sleep(PAUSE).await;
        }
    }
}
