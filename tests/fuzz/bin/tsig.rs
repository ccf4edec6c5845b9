#![no_main]

truename_fuzz::fuzz!("tsig");
