//! Bad input and bad luck, each with its story: what an operator is told, and
//! what is kept.

mod data_directory;
mod full_disk;
mod torn_store;
