//! Rows and pairs of numbers, a million of them in little memory.
//!
//! A value of its own for each row, in a map by its name, costs more for the
//! allocator, the map and the names kept twice than for what it says. Here
//! rows are octets, packed into pages, and known by number ([`Rows`]); what
//! finds them is ordered pairs of numbers, packed too ([`Pairs`]): the hash
//! of a name and the number of its row, say. [`Table`] is both together.
//!
//! All of them are persistent: a clone costs nothing and shares every page
//! that neither changes. What the octets of a row mean is left to others.

mod pairs;
mod rows;
mod table;

pub use pairs::Pairs;
pub use rows::{NewRows, Rows};
pub use table::{Finder, NewTable, Table};
