//! The admin API: records that are changed while calls run, and that every answer is as its document says.

mod api;
mod applied;
mod document;
mod queues;
mod records;
mod removal;
mod scale;
