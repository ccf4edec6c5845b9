#![no_main]

truename_fuzz::fuzz!("journal");
