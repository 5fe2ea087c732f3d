//! What operators ask of processes that run: one client, and how its answers are shown.
//!
//! | file | what |
//! |---|---|
//! | [`site`] | one listener of a process, and its refusals |
//! | [`api`] | the admin API of one |
//! | [`shown`] | functions, queues, calls, dead letters and workers as rows |
//! | [`work`] | long work in steps, with its progress |
//! | [`tree`], [`why`], [`activity`], [`following`] | what runs, what waits, what goes on, what each call took |
//! | [`events`] | what is told of calls as it happens |
//! | [`health`] | whether a process is alive, or ready |
//! | [`doctor`] | what is wrong, and how to mend it |

pub mod activity;
pub mod api;
pub mod doctor;
pub mod events;
pub mod following;
pub mod health;
pub mod shown;
pub mod site;
pub mod tree;
pub mod why;
pub mod work;
