//! Gives the shared library its SONAME, which carries the ABI number.

/// Raised whenever a published struct, constant or function changes incompatibly.
const ABI: &str = "0";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-env=RCT_ABI={ABI}");
    let os = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    if matches!(os.as_str(), "linux" | "freebsd" | "netbsd" | "openbsd" | "android") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,librct.so.{ABI}");
    } else if os == "macos" {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-install_name,@rpath/librct.{ABI}.dylib");
    }
}
