//! Imports run one way: no files of src/ import each other in a circle. What a `mod.rs` hands on counts as the file that has it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use syn::visit::Visit;
use syn::{Attribute, File, Item, UseTree, Visibility};

/// A module's file: where it is, what it imports, what it hands on under which name, and the modules below it.
struct Module {
    file: PathBuf,
    /// Paths from the root of the crate.
    imports: BTreeSet<Vec<String>>,
    handed_on: BTreeMap<String, Vec<String>>,
    /// Whether it has anything but modules and imports.
    has_items: bool,
}

type Modules = BTreeMap<Vec<String>, Module>;

#[test]
fn no_files_import_each_other() {
    let modules = modules(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(modules.len() > 50, "{} files", modules.len());
    let circles = circles(&imports_of(&modules));
    assert!(circles.is_empty(), "files that import each other:\n{}", circles.join("\n"));
}

#[test]
fn circles_are_found() {
    let files = [
        ("a", "use crate::b::{C, d::E}; mod x {}"),
        ("b", "mod c; mod d; pub(crate) use c::C; #[cfg(test)] use crate::a::A;"),
        ("b/c", "use super::d::E as F; fn f() { crate::g::h(); }"),
        ("b/d", "struct E;"),
        ("g", "use std::fmt; use super::a::A; fn h() {}"),
    ];
    let parsed = files.map(|(name, text)| {
        let path: Vec<String> = name.split('/').map(String::from).collect();
        (path.clone(), module(PathBuf::from(name), &path, &syn::parse_file(text).unwrap()))
    });
    let modules = Modules::from(parsed);
    assert_eq!(circles(&imports_of(&modules)), ["a, b/c, g"]);
}

/// All modules of a crate, whose root is the empty path.
fn modules(src: &Path) -> Modules {
    let mut found = Modules::new();
    let mut folders = vec![src.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let file = entry.unwrap().path();
            if file.is_dir() {
                folders.push(file);
            } else if file.extension().is_some_and(|extension| extension == "rs") {
                let inside = file.strip_prefix(src).unwrap().with_extension("");
                let mut path: Vec<String> = inside.iter().map(|part| part.to_str().unwrap().to_string()).collect();
                if ["mod", "lib"].contains(&path.last().unwrap().as_str()) {
                    path.pop();
                }
                let parsed = syn::parse_file(&std::fs::read_to_string(&file).unwrap()).unwrap();
                found.insert(path.clone(), module(inside, &path, &parsed));
            }
        }
    }
    found
}

fn module(file: PathBuf, path: &[String], parsed: &File) -> Module {
    let mut found = Module { file, imports: BTreeSet::new(), handed_on: BTreeMap::new(), has_items: false };
    for item in parsed.items.iter().filter(|item| !is_test(item)) {
        match item {
            Item::Mod(inner) if inner.content.is_none() => {}
            Item::Use(import) => {
                for (name, to) in flat(&import.tree, &[]) {
                    let to = from_root(path, &to);
                    if !matches!(import.vis, Visibility::Inherited) {
                        found.handed_on.insert(name, to.clone());
                    }
                    found.imports.insert(to);
                }
            }
            item => {
                found.has_items = true;
                Paths { from: path, found: &mut found.imports }.visit_item(item);
            }
        }
    }
    found
}

/// Whether an item is for tests.
fn is_test(item: &Item) -> bool {
    let attributes: &[Attribute] = match item {
        Item::Mod(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        _ => &[],
    };
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::List(list) => {
            list.path.is_ident("cfg") && ["test", "doctest"].contains(&list.tokens.to_string().as_str())
        }
        _ => false,
    })
}

/// Paths in code that begin with `crate` or `super`.
struct Paths<'a> {
    from: &'a [String],
    found: &'a mut BTreeSet<Vec<String>>,
}

impl<'a> Visit<'a> for Paths<'_> {
    fn visit_path(&mut self, path: &'a syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if segments.len() > 1 && ["crate", "super"].contains(&segments[0].as_str()) {
            self.found.insert(from_root(self.from, &segments));
        }
        syn::visit::visit_path(self, path);
    }
}

/// The names that a tree of imports brings, with what they are names of.
fn flat(tree: &UseTree, before: &[String]) -> Vec<(String, Vec<String>)> {
    let with = |name: String| [before, &[name]].concat();
    match tree {
        UseTree::Path(path) => flat(&path.tree, &with(path.ident.to_string())),
        UseTree::Name(name) => vec![(name.ident.to_string(), with(name.ident.to_string()))],
        UseTree::Rename(rename) => vec![(rename.rename.to_string(), with(rename.ident.to_string()))],
        UseTree::Glob(_) => vec![("*".into(), before.to_vec())],
        UseTree::Group(group) => group.items.iter().flat_map(|tree| flat(tree, before)).collect(),
    }
}

/// A path as seen in the module `from`, from the root of the crate; those of other crates begin with what is no module.
fn from_root(from: &[String], path: &[String]) -> Vec<String> {
    let mut at = from.to_vec();
    let mut rest = path;
    if rest[0] == "crate" {
        (at, rest) = (Vec::new(), &rest[1..]);
    }
    while rest.first().is_some_and(|segment| segment == "super" || segment == "self") {
        if rest[0] == "super" {
            at.pop();
        }
        rest = &rest[1..];
    }
    [at, rest.to_vec()].concat()
}

/// The files that each file imports from.
fn imports_of(modules: &Modules) -> BTreeMap<&Path, BTreeSet<&Path>> {
    let mut found = BTreeMap::new();
    for module in modules.values() {
        let imports = module.imports.iter().filter_map(|path| file_of(modules, path));
        // What hands on, and does nothing else, needs nothing.
        let own =
            if module.has_items { imports.filter(|&file| file != module.file).collect() } else { BTreeSet::new() };
        found.insert(&*module.file, own);
    }
    found
}

/// The file that has what is at a path.
fn file_of<'a>(modules: &'a Modules, path: &[String]) -> Option<&'a Path> {
    let deepest = (0..=path.len()).rev().find(|&depth| modules.contains_key(&path[..depth]))?;
    let module = &modules[&path[..deepest]];
    match path.get(deepest).and_then(|name| module.handed_on.get(name)) {
        Some(to) if to.as_slice() != path => file_of(modules, &[to, &path[deepest + 1..]].concat()),
        // What is not handed on, nor here, is of another crate.
        None if deepest == 0 && path.len() > 1 => None,
        _ => Some(&module.file),
    }
}

/// Sets of files each of which leads to all others of its set.
fn circles(imports: &BTreeMap<&Path, BTreeSet<&Path>>) -> Vec<String> {
    let reached = |from: &Path| {
        let (mut seen, mut stack) = (BTreeSet::new(), vec![from]);
        while let Some(file) = stack.pop() {
            stack.extend(imports[file].iter().filter(|&&next| seen.insert(next.to_path_buf())));
        }
        seen
    };
    let all: BTreeMap<&Path, BTreeSet<PathBuf>> = imports.keys().map(|&file| (file, reached(file))).collect();
    let mut circles = BTreeSet::new();
    for (&file, reached) in all.iter().filter(|(file, reached)| reached.contains(**file)) {
        let circle = reached.iter().filter(|&other| all[&**other].contains(file));
        circles.insert(circle.map(|file| file.display().to_string()).collect::<Vec<_>>().join(", "));
    }
    circles.into_iter().collect()
}
