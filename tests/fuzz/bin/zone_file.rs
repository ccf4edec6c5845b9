#![no_main]

truename_fuzz::fuzz!("zone_file");
