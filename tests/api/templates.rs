//! `/templates`.

mod delete;
mod list;
mod put;
mod read;
