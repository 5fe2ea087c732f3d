//! The supervision tree: every file below this folder is one actor, and its folder holds its children.
//!
//! ```text
//! Fabric                     one per process; owns start-up order and the drain
//! ├─ Directory               follows the control plane; publishes the snapshot everybody reads
//! ├─ Queue "default"         one per served queue: which functions have work, who gets permits
//! │  ├─ Subscriber resize.acme     one per active function; its calls in flight are tasks it owns
//! │  └─ Subscriber thumb.acme
//! ├─ Queue "callbacks"       the same code: its "functions" are callback hosts
//! ├─ Later                   moves what is due back to its lane
//! ├─ Cancels                 follows the calls that nobody wants any more
//! └─ Service "gateway"       a listener from outside as a supervised child
//! ```
//!
//! Rules of this folder: a child never imports its parent (what it may ask of it is a closure in its arguments);
//! siblings never import each other; no handler awaits the network, another actor or a child; there is no global.

pub mod fabric;

pub use fabric::{Ending, Handle, start};
