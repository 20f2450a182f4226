//! What ARCHITECTURE.md says is there is there.

use std::path::Path;

/// What stands between backticks in a line.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

#[test]
fn its_files_and_functions_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut steps, mut paths) = (0, 0);
    for name in ["ARCHITECTURE.md", "CONTRIBUTING.md", "docs/search.md"] {
        let text = std::fs::read_to_string(root.join(name)).unwrap();
        for line in text.lines() {
            let quoted: Vec<&str> = quoted(line).collect();
            if let [file, function] = quoted[..]
                && line.starts_with("| ")
                && file.ends_with(".rs")
                && !function.contains(['.', '/'])
            {
                let source = std::fs::read_to_string(root.join("src").join(file)).unwrap_or_else(|_| panic!("{file}"));
                let begins = [format!("fn {function}("), format!("fn {function}<")];
                assert!(begins.iter().any(|begins| source.contains(begins)), "{file} has no function {function}");
                steps += 1;
            }
            for path in quoted.iter().filter(|path| !path.contains([' ', '=']) && path.contains(['/', '.'])) {
                let places = ["", "src", "src/search"].map(|folder| root.join(folder).join(path));
                let known = path.contains("-N.") || *path == "saved.rs" || places.iter().any(|place| place.exists());
                assert!(known, "{name}: {path}");
                paths += 1;
            }
        }
    }
    assert!(steps > 8 && steps <= 12 && paths > 30, "{steps} {paths}");
}
