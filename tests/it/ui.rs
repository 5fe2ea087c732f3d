//! The dashboard in a real browser: that it shows what is, that what is done in it is done, and that everybody can use it.

mod away;
mod door;
mod editing;
mod files;
mod hostile;
mod keyboard;
mod large;
mod letters;
mod looks;
mod modules;
mod pages;
mod place;
