//! What it costs to keep a tree: refitting against building anew, inserting, removing, saving and loading. All answers
//! are compared with those of a tree that is built anew; a difference ends the run.
//!
//! ```text
//! cargo bench --bench life                     all rows of up to 131,072 points
//! cargo bench --bench life -- refit            one kind: refit, insert, remove, saved
//! cargo bench --bench life -- saved-1048576    a tree of that many points, which takes 6 GiB and as much disk
//! cargo bench --bench life -- --quick          all rows, small: whether they run, not how fast
//! ```
//!
//! Each line of standard output is one measurement as JSON; a table for people goes to standard error. Times are medians
//! of so many runs, the two sides of a comparison in turn.

#[path = "../search/data.rs"]
#[allow(dead_code)]
mod data;

use data::Data;
use ndarray::{Array1, Array2, s};
use rct::{
    Construction, Control, Covariance, Kernel, Lengthscale, LoadOptions, Model, Neighbors, Options, Query,
    ResidualCoverTree,
};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Instant;

/// Neighbours of the Vecchia job.
const K: usize = 30;
const RUNS: usize = 5;
/// What may be asked for.
const NAMES: [&str; 5] = ["refit", "insert", "remove", "saved", "saved-1048576"];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let names: Vec<&String> = arguments.iter().filter(|&argument| argument != "--quick").collect();
    if let Some(unknown) = names.iter().find(|name| !NAMES.contains(&name.as_str())) {
        eprintln!("{unknown:?} is no row; there are {}", NAMES.join(", "));
        std::process::exit(2);
    }
    let wanted = |name: &str| names.is_empty() || names.iter().any(|&given| given == name);
    let n = if quick { 3000 } else { 32_768 };
    for set in ["square", "cube"].into_iter().filter(|_| wanted("refit")) {
        for construction in [Construction::Hybrid, Construction::Pure] {
            for step in [1.01, 1.1, 2.0] {
                refit(set, n, construction, step);
            }
        }
    }
    for batch in [1, 100, 1000].into_iter().filter(|_| wanted("insert")) {
        insert(n, batch, quick);
    }
    for share in [10, 3].into_iter().filter(|_| wanted("remove")) {
        remove(n, share);
    }
    for n in if quick { [3000, 4000] } else { [32_768, 131_072] }.into_iter().filter(|_| wanted("saved")) {
        saved(n);
    }
    if names.iter().any(|&name| name == "saved-1048576") {
        saved(1 << 20);
    }
}

fn options(kernel: &Kernel, construction: Construction, step: f64) -> Options {
    let Lengthscale::Isotropic(lengthscale) = kernel.lengthscale else { panic!("one lengthscale") };
    let kernel = Kernel { lengthscale: Lengthscale::Isotropic(lengthscale * step), ..kernel.clone() };
    Options { covariance: Covariance::Stationary(kernel), construction, ..Options::default() }
}

fn build(options: &Options, coords: &Array2<f64>, inducing: &Array2<f64>) -> ResidualCoverTree {
    let data = rct::Data::with_inducing(coords.view(), inducing.view());
    ResidualCoverTree::build(options, &data, &mut Control::none()).expect("a tree")
}

fn vecchia(tree: &ResidualCoverTree) -> Neighbors {
    tree.vecchia_neighbors(K, None, &mut Control::none()).expect("an answer")
}

/// Seconds of some work, and what it made.
fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let clock = Instant::now();
    let made = work();
    (clock.elapsed().as_secs_f64(), made)
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

/// A line of JSON, and one for people.
fn report(name: &str, figures: Value, words: String) {
    let mut line = json!({ "name": name });
    if let (Some(line), Value::Object(figures)) = (line.as_object_mut(), figures) {
        line.extend(figures);
    }
    println!("{line}");
    eprintln!("{name:<28} {words}");
}

/// A lengthscale that changes by the factor `step`: refitting and searching, against building anew and searching.
fn refit(set: &str, n: usize, construction: Construction, step: f64) {
    let data = Data::new(set, n, 0);
    let (before, after) = (options(&data.kernel, construction, 1.0), options(&data.kernel, construction, step));
    let mut tree = build(&before, &data.coords, &data.inducing);
    let (mut fresh, mut refitted, mut only) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let (seconds, expected) = timed(|| vecchia(&build(&after, &data.coords, &data.inducing)));
        fresh.push(seconds);
        tree.refit(&before, &Model::default(), &mut Control::none()).expect("a refit");
        // As in a fit, where the neighbours of the parameters before are known.
        vecchia(&tree);
        let (seconds, ()) = timed(|| tree.refit(&after, &Model::default(), &mut Control::none()).expect("a refit"));
        let (more, found) = timed(|| vecchia(&tree));
        only.push(seconds);
        refitted.push(seconds + more);
        assert!(found == expected, "{set}: a refitted tree has other answers");
    }
    let (fresh, refitted, only) = (median(fresh), median(refitted), median(only));
    let name = format!("refit {set} {construction:?} x{step}").to_lowercase();
    report(
        &name,
        json!({ "n": n, "seconds_fresh": fresh, "seconds_refit": only, "seconds_refit_and_search": refitted,
                "share": refitted / fresh, "runs": RUNS }),
        format!(
            "build and search {fresh:.3} s, refit {only:.3} s, refit and search {refitted:.3} s: {:.2}",
            refitted / fresh
        ),
    );
}

/// Batches of `batch` points that are inserted into a tree of `n`.
fn insert(n: usize, batch: usize, quick: bool) {
    let count = if quick { 3 } else { (10_000 / batch).min(500) };
    let data = Data::new("square", n, count * batch);
    let options = options(&data.kernel, Construction::Hybrid, 1.0);
    let (seconds_build, mut tree) = timed(|| build(&options, &data.coords, &data.inducing));
    let mut worst = 0.0f64;
    let (seconds, ()) = timed(|| {
        for t in 0..count {
            let more = rct::Data::new(data.new.slice(s![t * batch..(t + 1) * batch, ..]));
            let (seconds, _) = timed(|| tree.insert(&more, &mut Control::none()).expect("room"));
            worst = worst.max(seconds);
        }
    });
    let all = ndarray::concatenate![ndarray::Axis(0), data.coords, data.new];
    let fresh = build(&options, &all, &data.inducing);
    let (own, found) = timed(|| vecchia(&tree));
    let (other, expected) = timed(|| vecchia(&fresh));
    assert!(found == expected, "a tree that was inserted into has other answers");
    let (each, built) = (seconds / (count * batch) as f64, seconds_build / n as f64);
    report(
        &format!("insert {count} x {batch}"),
        json!({ "n": n, "seconds": seconds, "worst_batch": worst, "microseconds_a_point": 1e6 * each,
                "build_microseconds_a_point": 1e6 * built, "parts": tree.stats().parts, "search_over_fresh": own / other }),
        format!(
            "{:.1} us a point (built {:.1}), worst batch {worst:.3} s, {} parts, search {:.2} of a fresh tree's",
            1e6 * each,
            1e6 * built,
            tree.stats().parts,
            own / other
        ),
    );
}

/// One point in `share` removed, in batches of 100.
fn remove(n: usize, share: usize) {
    let data = Data::new("square", n, 0);
    let options = options(&data.kernel, Construction::Hybrid, 1.0);
    let mut tree = build(&options, &data.coords, &data.inducing);
    let gone: Vec<i64> = (0..n as i64).filter(|id| id * 7919 % share as i64 == 0).collect();
    let (seconds, ()) = timed(|| {
        for ids in gone.chunks(100) {
            tree.remove(ids.into(), &mut Control::none()).expect("points");
        }
    });
    let rest: Vec<usize> = (0..n).filter(|&id| gone.binary_search(&(id as i64)).is_err()).collect();
    let fresh = build(&options, &data.coords.select(ndarray::Axis(0), &rest), &data.inducing);
    let (own, found) = timed(|| vecchia(&tree));
    let (other, expected) = timed(|| vecchia(&fresh));
    for q in 0..rest.len() {
        let expected = expected.of(q).map(|(place, distance)| (rest[place as usize] as i64, distance));
        assert!(found.of(q).eq(expected), "a tree that was removed from has other answers");
    }
    report(
        &format!("remove 1 in {share}"),
        json!({ "n": n, "removed": gone.len(), "seconds": seconds, "microseconds_a_point": 1e6 * seconds / gone.len() as f64,
                "search_over_fresh": own / other }),
        format!("{:.1} us a point, search {:.2} of a fresh tree's", 1e6 * seconds / gone.len() as f64, own / other),
    );
}

/// A tree saved and loaded, with V read at once and left in the file.
fn saved(n: usize) {
    let data = Data::new("square", n, 0);
    let (seconds_build, tree) =
        timed(|| build(&options(&data.kernel, Construction::Hybrid, 1.0), &data.coords, &data.inducing));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tree.rct");
    let (seconds_save, ()) = timed(|| tree.save(&path, &mut Control::none()).expect("room on the disk"));
    let ids = Array1::from_vec(vec![n as i64 / 2]);
    let query = Query::ids(ids.view(), 50);
    let ask = |tree: &ResidualCoverTree| tree.query_batch(&query, &mut Control::none()).expect("an answer");
    let expected = ask(&tree);
    let (mut read, mut mapped) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let none = &mut Control::none();
        let (seconds, found) =
            timed(|| ask(&ResidualCoverTree::load(&path, &LoadOptions::default(), none).expect("a tree")));
        assert!(found == expected, "a tree that was loaded has other answers");
        read.push(seconds);
        let (seconds, (found, tree)) = timed(|| {
            let file = std::fs::File::open(&path).expect("the file");
            // SAFETY: the file is in a folder of this process's own.
            let map = unsafe { memmap2::Mmap::map(&file) }.expect("a map");
            let tree = ResidualCoverTree::from_shared(Arc::new(map), &LoadOptions::default(), none).expect("a tree");
            (ask(&tree), tree)
        });
        drop(tree);
        assert!(found == expected, "a tree that was mapped has other answers");
        mapped.push(seconds);
    }
    let bytes = std::fs::metadata(&path).expect("the file").len();
    let (read, mapped) = (median(read), median(mapped));
    report(
        &format!("saved {n}"),
        json!({ "n": n, "bytes": bytes, "seconds_build": seconds_build, "seconds_save": seconds_save,
                "seconds_read_and_first_query": read, "seconds_map_and_first_query": mapped,
                "map_over_build": mapped / seconds_build }),
        format!(
            "build {seconds_build:.2} s, save {seconds_save:.2} s ({:.0} MB), load and first query {read:.3} s read, {mapped:.3} s mapped: {:.3} of the build",
            bytes as f64 / 1e6,
            mapped / seconds_build
        ),
    );
}
