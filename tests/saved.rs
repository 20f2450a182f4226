//! Saved trees: loaded, they are what they were; damaged, they say so; replaced, they are the old or the new.

mod common;

use common::{TRAVERSALS, rng, uniform, unit_options};
use ndarray::s;
use rand::Rng;
use rand::seq::IndexedRandom;
use rct::{
    Construction, Control, Covariance, CovarianceFunction, Data, ErrorKind, Kernel, KernelFamily, Lengthscale,
    LoadOptions, MetricKind, Model, Options, Query, ResidualCoverTree, TreeOrder,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const AS_SAVED: LoadOptions = LoadOptions { threads: None };

fn stationary(family: KernelFamily, lengthscale: f64) -> Covariance {
    Covariance::Stationary(Kernel { family, variance: 1.0, lengthscale: Lengthscale::Isotropic(lengthscale) })
}

/// All that can be asked of a tree.
fn answers(tree: &ResidualCoverTree, ids: &[i64]) -> Vec<Vec<Vec<(i64, f64)>>> {
    let none = &mut Control::none();
    let ask = |traversal| tree.query_batch(&Query { traversal, ..Query::ids(ids.into(), 7) }, &mut Control::none());
    let mut all: Vec<_> = TRAVERSALS.map(|traversal| ask(traversal).unwrap()).into();
    all.push(tree.vecchia_neighbors(6, None, none).unwrap());
    all.iter().map(|answer| (0..answer.len()).map(|q| answer.of(q).collect()).collect()).collect()
}

/// Small trees of every kind, grown and refitted: tree, ids, what to insert next.
fn small_tree(seed: u64) -> (ResidualCoverTree, Vec<i64>, String) {
    let mut rng = rng(seed);
    let (n, d) = (rng.random_range(1..=120), rng.random_range(1..=3));
    let coords = uniform(n, d, &mut rng);
    let metric = *[MetricKind::Residual, MetricKind::Residual, MetricKind::Correlation, MetricKind::Euclidean]
        .choose(&mut rng)
        .unwrap();
    let family = *[KernelFamily::Rbf, KernelFamily::Matern12, KernelFamily::RationalQuadratic { alpha: 2.0 }]
        .choose(&mut rng)
        .unwrap();
    let mut options = Options {
        metric,
        covariance: stationary(family, 0.4),
        construction: *[Construction::Pure, Construction::Hybrid].choose(&mut rng).unwrap(),
        order: *[TreeOrder::Natural, TreeOrder::Hilbert].choose(&mut rng).unwrap(),
        threads: 1,
        ..Options::default()
    };
    let factor = uniform(n, 4, &mut rng) * 0.1;
    let given = metric == MetricKind::Residual && rng.random_bool(0.3);
    let z = uniform(5, d, &mut rng);
    let data = Data {
        inducing: (metric == MetricKind::Residual && !given).then(|| z.view()),
        factor: given.then(|| factor.view()),
        ..Data::new(coords.view())
    };
    let none = &mut Control::none();
    let mut tree = ResidualCoverTree::build(&options, &data, none).unwrap();
    let mut ids: Vec<i64> = (0..n as i64).collect();
    if rng.random_bool(0.3) && !given {
        options.covariance = stationary(family, 0.5);
        tree.refit(&options, &Model::default(), none).unwrap();
    }
    if rng.random_bool(0.5) {
        let (more, v) = (uniform(20, d, &mut rng), uniform(20, 4, &mut rng) * 0.1);
        ids.extend(tree.insert(&Data { factor: given.then(|| v.view()), ..Data::new(more.view()) }, none).unwrap());
    }
    if rng.random_bool(0.5) && n > 10 {
        tree.remove([ids[1], ids[4]][..].into(), none).unwrap();
        ids.retain(|&id| id != 1 && id != 4);
    }
    (tree, ids, format!("seed {seed}: n {n}, d {d}, given {given}, {options:?}"))
}

/// Asks a loaded tree all that the first was asked, and that it can go on living.
fn same(loaded: &mut ResidualCoverTree, tree: &mut ResidualCoverTree, ids: &[i64], context: &str) {
    let none = &mut Control::none();
    // Which makes the nodes of both.
    loaded.validate(none).unwrap_or_else(|error| panic!("{error}; {context}"));
    tree.validate(none).unwrap_or_else(|error| panic!("{error}; {context}"));
    assert_eq!(answers(loaded, ids), answers(tree, ids), "{context}");
    assert_eq!(loaded.to_bytes(none).unwrap(), tree.to_bytes(none).unwrap(), "{context}");
    let (own, other) = (loaded.stats(), tree.stats());
    assert_eq!((own.n, own.m, own.d, own.parts, own.removed), (other.n, other.m, other.d, other.parts, other.removed));
    assert_eq!((own.shape, own.build_evaluations, own.seconds), (other.shape, other.build_evaluations, other.seconds));
}

#[test]
fn loaded_trees_are_what_they_were() {
    let folder = tempfile::tempdir().unwrap();
    for seed in 0..60 {
        let (mut tree, ids, context) = small_tree(seed);
        let path = folder.path().join(format!("{seed}.rct"));
        tree.save(&path, &mut Control::none()).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes, tree.to_bytes(&mut Control::none()).unwrap());
        same(&mut ResidualCoverTree::load(&path, &AS_SAVED, &mut Control::none()).unwrap(), &mut tree, &ids, &context);
        same(
            &mut ResidualCoverTree::from_bytes(&bytes, &AS_SAVED, &mut Control::none()).unwrap(),
            &mut tree,
            &ids,
            &context,
        );
        // Bytes that are shared, and a start that no double may have.
        let shifted: Vec<u8> = std::iter::once(0).chain(bytes.iter().copied()).collect();
        struct Shifted(Vec<u8>);
        impl AsRef<[u8]> for Shifted {
            fn as_ref(&self) -> &[u8] {
                &self.0[1..]
            }
        }
        for bytes in [Arc::new(bytes) as Arc<dyn AsRef<[u8]> + Send + Sync>, Arc::new(Shifted(shifted))] {
            let mut loaded = ResidualCoverTree::from_shared(bytes, &AS_SAVED, &mut Control::none()).unwrap();
            same(&mut loaded, &mut tree, &ids, &context);
        }
    }
}

#[test]
fn loaded_trees_live_on() {
    let mut rng = rng(50);
    let coords = uniform(5000, 2, &mut rng);
    let none = &mut Control::none();
    let options = |lengthscale| Options {
        covariance: stationary(KernelFamily::Matern52, lengthscale),
        construction: Construction::Hybrid,
        threads: 2,
        ..Options::default()
    };
    let data = Data::with_inducing(coords.slice(s![..4000, ..]), coords.slice(s![..40, ..]));
    let mut tree = ResidualCoverTree::build(&options(0.2), &data, none).unwrap();
    let bytes = tree.to_bytes(none).unwrap();
    let mut loaded =
        ResidualCoverTree::from_shared(Arc::new(bytes), &LoadOptions { threads: Some(1) }, &mut Control::none())
            .unwrap();
    assert_eq!(loaded.options().threads, 1);
    let more = Data::new(coords.slice(s![4000.., ..]));
    for tree in [&mut tree, &mut loaded] {
        tree.insert(&more, none).unwrap();
        tree.remove([7, 4321][..].into(), none).unwrap();
        tree.refit(&options(0.22), &Model::default(), none).unwrap();
    }
    assert!(tree.vecchia_neighbors(12, None, none).unwrap() == loaded.vecchia_neighbors(12, None, none).unwrap());
}

#[test]
fn indices_are_saved_too() {
    for (d, family) in [(2, KernelFamily::Matern52), (3, KernelFamily::Matern12)] {
        let coords = uniform(6000, d, &mut rng(60 + d as u64));
        let none = &mut Control::none();
        let options = Options {
            covariance: stationary(family, 0.2),
            construction: Construction::Hybrid,
            threads: 2,
            ..Options::default()
        };
        let data = Data::with_inducing(coords.view(), coords.slice(s![..60, ..]));
        let tree = ResidualCoverTree::build(&options, &data, none).unwrap();
        let bytes = tree.to_bytes(none).unwrap();
        let loaded = ResidualCoverTree::from_bytes(&bytes, &AS_SAVED, &mut Control::none()).unwrap();
        let ids: Vec<i64> = (0..6000).step_by(17).collect();
        let query = Query::ids((&ids[..]).into(), 20);
        assert!(tree.query_batch(&query, none).unwrap() == loaded.query_batch(&query, none).unwrap());
        // The same work, so the same index.
        assert_eq!(tree.stats().last_search.counters, loaded.stats().last_search.counters);
        let vecchia = |tree: &ResidualCoverTree| tree.vecchia_neighbors(9, None, &mut Control::none()).unwrap();
        assert!(vecchia(&tree) == vecchia(&loaded));
        assert_eq!(loaded.stats().memory_bytes, tree.stats().memory_bytes);
    }
}

/// What a damaged file may do: be refused, or answer as the sound one.
fn refused_or_same(bytes: &[u8], expected: &[Vec<Vec<(i64, f64)>>], ids: &[i64], what: &str) -> bool {
    let mut refused = false;
    match ResidualCoverTree::from_bytes(bytes, &AS_SAVED, &mut Control::none()) {
        Ok(tree) => assert_eq!(answers(&tree, ids), expected, "{what}"),
        Err(error) => {
            refused = true;
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}; {what}");
        }
    }
    // V is checked as it is used.
    match ResidualCoverTree::from_shared(Arc::new(bytes.to_vec()), &AS_SAVED, &mut Control::none()) {
        Ok(tree) => {
            let all = tree.query_batch(&Query::ids(ids.into(), 7), &mut Control::none());
            match all {
                Ok(found) => {
                    let found: Vec<Vec<_>> = (0..found.len()).map(|q| found.of(q).collect()).collect();
                    assert_eq!(found, expected[0], "{what}");
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}; {what}"),
            }
        }
        Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}; {what}"),
    }
    refused
}

#[test]
fn damage_is_found_or_harmless() {
    // One part; two parts with removed points, and a list of ids.
    for seed in [2, 3, 8] {
        let (tree, ids, context) = small_tree(seed);
        let bytes = tree.to_bytes(&mut Control::none()).unwrap();
        let ids = &ids[..ids.len().min(6)];
        let expected = answers(&tree, ids);
        let (mut rng, mut refused) = (rng(seed), 0);
        for place in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1 << rng.random_range(0..8);
            let what = format!("byte {place} of {}; {context}", bytes.len());
            refused += usize::from(refused_or_same(&damaged, &expected, ids, &what));
        }
        // Only bytes between arrays are harmless.
        assert!(refused * 2 > bytes.len(), "{refused} of {}", bytes.len());
        for len in 0..bytes.len() {
            let error = ResidualCoverTree::from_bytes(&bytes[..len], &AS_SAVED, &mut Control::none()).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}; cut at {len}");
        }
        for _ in 0..200 {
            let garbage: Vec<u8> = (0..rng.random_range(0..4000)).map(|_| rng.random()).collect();
            assert_eq!(
                ResidualCoverTree::from_bytes(&garbage, &AS_SAVED, &mut Control::none()).err().unwrap().kind(),
                ErrorKind::Corrupt
            );
        }
    }
}

#[test]
fn other_files_are_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let error = |path: &Path| ResidualCoverTree::load(path, &AS_SAVED, &mut Control::none()).err().unwrap();
    let check = |error: rct::Error, kind, words: &str| {
        assert!(error.kind() == kind && error.message().contains(words), "{error}");
    };
    check(error(&folder.path().join("none.rct")), ErrorKind::Io, "none.rct");
    check(error(folder.path()), ErrorKind::Io, "it is no file");
    let path = folder.path().join("text.rct");
    for text in ["", "x,y\n", &"x,y,price\n".repeat(40)] {
        std::fs::write(&path, text).unwrap();
        let words = if text.is_empty() { "is empty" } else { "does not begin as one does" };
        check(error(&path), ErrorKind::Corrupt, &format!("text.rct is no saved tree: it {words}"));
    }
    let bytes = ResidualCoverTree::from_bytes(b"x,y\n", &AS_SAVED, &mut Control::none()).err().unwrap();
    check(bytes, ErrorKind::Corrupt, "this is no saved tree: it does not begin as one does");

    // A file of a later format.
    let (tree, ..) = small_tree(1);
    let mut bytes = tree.to_bytes(&mut Control::none()).unwrap();
    let end = bytes.len();
    let later = bytes[8] + 1;
    (bytes[8], bytes[end - 16]) = (later, later);
    check(
        ResidualCoverTree::from_bytes(&bytes, &AS_SAVED, &mut Control::none()).err().unwrap(),
        ErrorKind::Unsupported,
        &format!("format {later}; this library reads"),
    );

    check(
        tree.save(&folder.path().join("no/such/folder.rct"), &mut Control::none()).unwrap_err(),
        ErrorKind::Io,
        "folder.rct",
    );
    struct One;
    impl CovarianceFunction for One {
        fn covariances(&self, _: &[f64], _: &[f64], out: &mut [f64]) -> rct::Result<()> {
            out.fill(1.0);
            Ok(())
        }
    }
    let options = Options { covariance: Covariance::Custom(Arc::new(One)), ..Options::default() };
    let coords = uniform(5, 1, &mut rng(1));
    let custom = ResidualCoverTree::build(&options, &Data::new(coords.view()), &mut Control::none()).unwrap();
    check(custom.save(&path, &mut Control::none()).unwrap_err(), ErrorKind::Unsupported, "custom covariance");
    assert!(std::fs::read_to_string(&path).unwrap().starts_with("x,y"), "a save that failed has left the file alone");
    let stop = &mut || true;
    let stopped = tree.save(&path, &mut Control::none().with_should_stop(stop)).unwrap_err();
    check(stopped, ErrorKind::Cancelled, "should_stop");
    assert!(std::fs::read_to_string(&path).unwrap().starts_with("x,y"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    check(
        ResidualCoverTree::from_bytes(&[], &LoadOptions { threads: Some(9999) }, &mut Control::none()).err().unwrap(),
        ErrorKind::Corrupt,
        "this is no saved tree: it is empty",
    );
}

/// What the files in tests/data hold.
fn format_tree() -> ResidualCoverTree {
    let coords = ndarray::Array2::from_shape_fn((40, 2), |(i, j)| ((i * 37 + j * 611) % 53) as f64 / 53.0);
    let options = Options { threads: 1, ..unit_options() };
    let none = &mut Control::none();
    let data = Data::with_inducing(coords.slice(s![..30, ..]), coords.slice(s![..4, ..]));
    let mut tree = ResidualCoverTree::build(&options, &data, none).unwrap();
    tree.insert(&Data::new(coords.slice(s![30.., ..])), none).unwrap();
    tree.remove([3, 31][..].into(), none).unwrap();
    tree
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// On a machine of either byte order: the version at the front, a coordinate, and the trailer.
#[test]
fn numbers_lie_in_little_endian_order() {
    let written = format_tree().to_bytes(&mut Control::none()).unwrap();
    for bytes in [std::fs::read(data("format-7.rct")).unwrap(), written] {
        let number = |place: usize| u64::from_le_bytes(bytes[place..place + 8].try_into().unwrap());
        let trailer = bytes.len() - 40;
        let version = number(trailer + 24);
        assert!(version < 256 && number(8) == version, "{version:#x}, {:#x}", number(8));
        assert_eq!(number(trailer) + number(trailer + 8), trailer as u64);
        // The first array has the inducing points' first coordinates: 0, and then 37 / 53.
        assert_eq!(f64::from_bits(number(72)), 37.0 / 53.0);
    }
}

/// A file of format 7, written when that was new: later libraries load it, or say why not. `RCT_WRITE_SAVED=1` writes it
/// anew, which a change of the format that has been released must not need.
#[test]
fn the_file_of_format_7_loads() {
    let tree = format_tree();
    let path = data("format-7.rct");
    if std::env::var_os("RCT_WRITE_SAVED").is_some() {
        tree.save(&path, &mut Control::none()).unwrap();
    }
    let loaded = ResidualCoverTree::load(&path, &AS_SAVED, &mut Control::none()).unwrap();
    assert!(loaded.to_bytes(&mut Control::none()).unwrap() == std::fs::read(&path).unwrap());
    let ids: Vec<i64> = (0..40).filter(|&id| id != 3 && id != 31).collect();
    // Processors differ in their last bits.
    for (own, other) in
        answers(&loaded, &ids).iter().flatten().flatten().zip(answers(&tree, &ids).iter().flatten().flatten())
    {
        assert!(own.0 == other.0 && (own.1 - other.1).abs() < 1e-6, "{own:?} {other:?}");
    }
}

/// Formats 1 to 6 were those of no release.
#[test]
fn a_file_of_format_1_is_refused() {
    let error = ResidualCoverTree::load(&data("format-1.rct"), &AS_SAVED, &mut Control::none()).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("format 1; this library reads format 7"), "{error}");
}

/// The fuzzer starts from trees with either index; `RCT_WRITE_SAVED=1` writes them.
#[test]
fn the_seeds_of_the_fuzzer_are_loaded_and_searched_by_their_index() {
    for (name, d, family, lengthscale) in
        [("cells", 2, KernelFamily::Rbf, 0.3), ("panels", 3, KernelFamily::Matern12, 0.1)]
    {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/load").join(name);
        let coords = uniform(1040, d, &mut rng(7));
        if std::env::var_os("RCT_WRITE_SAVED").is_some() {
            let options = Options {
                covariance: stationary(family, lengthscale),
                construction: Construction::Hybrid,
                threads: 1,
                ..Options::default()
            };
            // As many inducing points as a V of one block of columns holds.
            let data = Data::with_inducing(coords.view(), coords.slice(s![..16, ..]));
            let tree = ResidualCoverTree::build(&options, &data, &mut Control::none()).unwrap();
            // One with nodes, one without.
            if name == "cells" {
                tree.validate(&mut Control::none()).unwrap();
            }
            tree.save(&path, &mut Control::none()).unwrap();
        }
        let tree = ResidualCoverTree::load(&path, &AS_SAVED, &mut Control::none()).unwrap();
        assert!(tree.to_bytes(&mut Control::none()).unwrap() == std::fs::read(&path).unwrap(), "{name}");
        assert_eq!(tree.stats().nodes > 0, name == "cells");
        tree.query_batch(&Query::coords(coords.slice(s![..40, ..]), 3), &mut Control::none()).unwrap();
        let counters = tree.stats().last_search.counters;
        assert_eq!(counters.pruned_by_ball > 0, name == "cells", "{name}: {counters:?}");
        assert_eq!(counters.pruned_by_cell > 0, name == "panels", "{name}: {counters:?}");
    }
}

/// What a save leaves under the name: a file of its own that anyone may read whom the process lets, not what a link of
/// that name leads to, and nothing else in the folder.
#[cfg(unix)]
#[test]
fn a_save_takes_the_name_and_no_more() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (tree, ..) = small_tree(1);
    let bytes = tree.to_bytes(&mut Control::none()).unwrap();
    let (other, path) = (folder.path().join("other.txt"), folder.path().join("tree.rct"));
    std::fs::write(&other, "text").unwrap();
    std::os::unix::fs::symlink(&other, &path).unwrap();
    tree.save(&path, &mut Control::none()).unwrap();
    assert!(std::fs::symlink_metadata(&path).unwrap().is_file());
    assert_eq!(std::fs::read_to_string(&other).unwrap(), "text");
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
    // As the file that the standard library wrote with 0666 less the mask.
    assert_eq!(mode(&path), mode(&other));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    // A folder has the name: that cannot be replaced.
    let taken = folder.path().join("taken");
    std::fs::create_dir(&taken).unwrap();
    let error = tree.save(&taken, &mut Control::none()).unwrap_err();
    assert!(error.kind() == ErrorKind::Io && error.message().contains("taken"), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
}

#[test]
fn savers_do_not_meet() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tree.rct");
    let trees: Vec<_> = (0..4).map(|seed| small_tree(seed).0).collect();
    let all: Vec<_> = trees.iter().map(|tree| tree.to_bytes(&mut Control::none()).unwrap()).collect();
    std::thread::scope(|scope| {
        for tree in &trees {
            scope.spawn(|| (0..50).for_each(|_| tree.save(&path, &mut Control::none()).unwrap()));
        }
    });
    assert!(all.contains(&std::fs::read(&path).unwrap()));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "a save has left something");
}
