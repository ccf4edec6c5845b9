#![no_main]

truename_fuzz::fuzz!("proxied");
