//! The commands of those who run a fabric: what they ask of processes that run already.
//!
//! They are told by flags. Only where the processes are and how answers are written may be said in the environment and
//! the file too: what one purge is about is nobody's default.

use clap::Subcommand;

use super::apply::Apply;
use super::call::Calls;
use super::dead::DeadLetters;
use super::doctor::Doctor;
use super::function::Functions;
use super::health::Health;
use super::invoke::Invoke;
use super::key::Keys;
use super::log::Logs;
use super::queue::Queues;
use super::setup::Setup;
use super::tail::Tail;
use super::top::Top;
use super::tree::Tree;
use super::why::Why;

/// The options of these commands that are read from the environment and the file too.
pub const SHARED: [&str; 16] = [
    "admin",
    "gateway",
    "key",
    "output",
    "broker",
    "prefix",
    "broker-user",
    "broker-password-file",
    "broker-token-file",
    "broker-nkey",
    "broker-creds",
    "broker-ca",
    "broker-cert",
    "broker-key",
    "broker-tls-first",
    "broker-inbox",
];

/// What is asked of processes that run already.
#[derive(Debug, Subcommand)]
pub enum Operator {
    /// Make what is set what files say; shows what is different first.
    Apply(Apply),
    /// Functions: list, get, set, rm.
    Function(Functions),
    /// Queues: list, get, set, rm, pause, resume, purge.
    Queue(Queues),
    /// Calls that have not ended, and single calls: list, get, cancel.
    Call(Calls),
    /// Dead letters: list, show, redrive, purge.
    Dead(DeadLetters),
    /// API keys: create, list, revoke.
    Key(Keys),
    /// Call a function, now or asynchronously.
    Invoke(Invoke),
    /// Say what a function or a call waits for, and when it may start.
    Why(Why),
    /// Show the supervision tree.
    Tree(Tree),
    /// Watch what functions do.
    Top(Top),
    /// Tell of calls as they end, with how long each stage took; those that begin and end between two looks are missed.
    Tail(Tail),
    /// Show or change what a process logs, until it ends.
    Log(Logs),
    /// Ask a process whether it is alive, or ready: exit code 0 is yes.
    Health(Health),
    /// Look for what is wrong, and say how to mend it.
    Doctor(Doctor),
    /// Make on a NATS server what a fabric needs there: for processes whose user may not.
    Setup(Setup),
}
