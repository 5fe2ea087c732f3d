//! The commands of operators, as operators run them: against real processes, by their words, their JSON and their exit
//! codes.

mod bench;
mod dead;
mod doctor;
mod functions;
mod health;
mod invoke;
mod queues;
pub(crate) mod run;
mod watching;
