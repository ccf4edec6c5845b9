//! The one integration crate. Where a test belongs: tests/README.md.

mod answers;
mod bench;
mod cli;
mod clients;
mod crash;
mod daemon;
mod daemon_crash;
mod dice;
mod differential;
mod dig;
mod faults;
mod faults_daemon;
mod fuzz;
mod model;
mod network;
mod operator;
mod pages;
mod parsed;
mod programs;
mod promises;
mod scenarios;
mod signed;
mod store;
mod tidy;
mod transports;
mod world;
