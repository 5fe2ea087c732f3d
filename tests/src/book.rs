//! The commands of a page of the book, run as a reader would run them.
//!
//! A page is Markdown. What stands in it is done in order, in a directory of its own, by one `bash`:
//!
//! | block | what is done |
//! |---|---|
//! | ```` ```console ```` | each line after `$ ` is a command; what follows it must be what it prints, and it must succeed unless the next one is `echo $?` |
//! | ```` ```console stays ```` | the same, but its command runs on in a terminal of its own until the page ends; it must print what follows at its beginning |
//! | ```` ```text of fabric dev ```` | the command of that terminal that begins so prints this, sooner or later |
//! | ```` ```toml all.toml ```` | the block is the file of that name (any language) |
//! | ```` ```console needs docker ```` | nothing: it cannot be run here; the test of the book lists and counts these |
//! | any other | nothing |
//!
//! In what is printed, `…` stands for anything within a line, and alone on a line for any lines. Ids, times and fractions
//! are others each time, so each stands for any. A command that only looks is asked again until it shows what the page
//! shows. Pages have the ports that a reader has; here they are free ones.

mod page;
mod reader;
mod shell;
mod shown;

pub use page::{Block, Page};
pub use reader::follow;
