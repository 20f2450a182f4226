//! Version and ABI number of the library that is running.

use std::ffi::{CStr, c_char};

const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
    Ok(version) => version,
    Err(_) => panic!("the version has a NUL"),
};

/// The version of the library that is loaded, such as "0.1.0"; RCT_VERSION is the header's.
#[unsafe(no_mangle)]
pub extern "C" fn rct_version() -> *const c_char {
    VERSION.as_ptr()
}

/// The ABI number of the library that is loaded: the header fits where it equals RCT_ABI_VERSION.
#[unsafe(no_mangle)]
pub extern "C" fn rct_abi_version() -> u32 {
    const ABI: u32 = match u32::from_str_radix(env!("RCT_ABI"), 10) {
        Ok(abi) => abi,
        Err(_) => panic!("the ABI is a number"),
    };
    ABI
}
