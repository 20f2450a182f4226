//! `include/rct.h` is what cbindgen makes of `src/c_api` today.
//!
//! After a change of the C API: `RCT_WRITE_HEADER=1 cargo test --test header`, and commit the header.

use std::path::Path;

/// Sources in the order in which the header should read.
const SOURCES: [&str; 10] =
    ["types", "options", "tree", "grow", "saved", "query", "factor", "radius", "order", "status"];

#[test]
fn committed_header_is_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut config = cbindgen::Config::from_file(root.join("src/c_api/cbindgen.toml")).unwrap();
    let values = [
        ("@MAJOR@", env!("CARGO_PKG_VERSION_MAJOR")),
        ("@MINOR@", env!("CARGO_PKG_VERSION_MINOR")),
        ("@PATCH@", env!("CARGO_PKG_VERSION_PATCH")),
        ("@VERSION@", env!("CARGO_PKG_VERSION")),
        ("@ABI@", env!("RCT_ABI")),
    ];
    let includes = config.after_includes.take().unwrap();
    config.after_includes = Some(values.iter().fold(includes, |text, (key, value)| text.replace(key, value)));
    let mut builder = cbindgen::Builder::new().with_config(config);
    for source in SOURCES.iter().chain(&["version"]) {
        builder = builder.with_src(root.join(format!("src/c_api/{source}.rs")));
    }
    let mut generated = Vec::new();
    builder.generate().unwrap().write(&mut generated);
    let generated = String::from_utf8(generated).unwrap();

    let header = root.join("include/rct.h");
    if std::env::var_os("RCT_WRITE_HEADER").is_some() {
        std::fs::write(&header, &generated).unwrap();
    }
    let committed = std::fs::read_to_string(&header).unwrap();
    assert!(
        committed == generated,
        "include/rct.h is not what src/c_api generates: run RCT_WRITE_HEADER=1 cargo test --test header"
    );
}
