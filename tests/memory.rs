//! What a tree says it holds is what it holds, and what the README's formula says it holds at most.

use ndarray::{Array2, s};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rct::{
    Construction, Control, Covariance, Data, Kernel, KernelFamily, Lengthscale, LoadOptions, MetricKind, Model,
    Options, Query, ResidualCoverTree,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that are allocated now.
static LIVE: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: all is the system's allocator's work.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The README's bound of the bytes of `n` points in `d` dimensions with `m` inducing points.
fn most(n: usize, d: usize, m: usize) -> usize {
    let w = m.next_multiple_of(16);
    n * (8 * w + 16 * d + 100) + m * (16 * d + 8 * w) + n * (11 * w / 2 + 32 * d + 240) + 16 * w * w
}

#[test]
fn memory_is_what_is_reported_and_predicted() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let cases = [
        (20_000, 2, 64, KernelFamily::Matern52, 0.15, MetricKind::Residual),
        (20_000, 3, 40, KernelFamily::Matern12, 0.2, MetricKind::Residual),
        (9000, 5, 100, KernelFamily::Rbf, 0.8, MetricKind::Residual),
        (20_000, 2, 0, KernelFamily::Matern32, 0.2, MetricKind::Correlation),
        (20_000, 3, 0, KernelFamily::Matern32, 0.2, MetricKind::Euclidean),
        (700, 2, 30, KernelFamily::Matern32, 0.2, MetricKind::Residual),
    ];
    for (n, d, m, family, lengthscale, metric) in cases {
        let coords = Array2::from_shape_fn((n, d), |_| rng.random::<f64>());
        let kernel = |step| Kernel { family, variance: 1.0, lengthscale: Lengthscale::Isotropic(lengthscale * step) };
        let options = |step| Options {
            metric,
            covariance: Covariance::Stationary(kernel(step)),
            construction: Construction::Hybrid,
            threads: 1,
            ..Options::default()
        };
        let none = &mut Control::none();
        // What is kept once for a thread.
        let small = Data::new(coords.slice(s![..50, ..]));
        let small = Data { inducing: (m > 0).then(|| coords.slice(s![..40, ..])), ..small };
        drop(ResidualCoverTree::build(&options(1.0), &small, none).unwrap());
        let before = LIVE.load(Ordering::Relaxed);
        let held = |tree: &ResidualCoverTree, points: usize, what: &str| {
            let (live, reported) = (LIVE.load(Ordering::Relaxed) - before, tree.stats().memory_bytes);
            let close = live.abs_diff(reported) * 50 <= live;
            assert!(close, "{what}, {family:?}, m {m}: {reported} bytes are reported, {live} are held");
            let most = most(points, d, m);
            assert!(reported <= most, "{what}, {family:?}, m {m}: {reported} bytes, the formula says {most}");
        };
        let data = Data { inducing: (m > 0).then(|| coords.slice(s![..m, ..])), ..Data::new(coords.view()) };
        let mut tree = ResidualCoverTree::build(&options(1.0), &data, none).unwrap();
        held(&tree, n, "built");
        tree.refit(&options(1.1), &Model::default(), none).unwrap();
        held(&tree, n, "refitted");
        tree.insert(&Data::new(coords.slice(s![..n / 4, ..])), none).unwrap();
        held(&tree, n + n / 4, "inserted into");
        let gone: Vec<i64> = (0..n as i64 / 10).collect();
        tree.remove((&gone[..]).into(), none).unwrap();
        held(&tree, n + n / 4, "removed from");
        drop((tree, gone));
        let left = LIVE.load(Ordering::Relaxed).saturating_sub(before);
        assert!(left < 4096, "{left} bytes are left of a tree that is gone");
    }
    long_rows_are_given_back(&mut rng);
}

/// V of 20 MB is no allocation, but pages of its own.
fn long_rows_are_given_back(rng: &mut ChaCha8Rng) {
    let (n, m) = (40_000, 64);
    let coords = Array2::from_shape_fn((n, 2), |_| rng.random::<f64>());
    let data = Data { inducing: Some(coords.slice(s![..m, ..])), ..Data::new(coords.view()) };
    let kernel = Kernel { lengthscale: Lengthscale::Isotropic(1.0), ..Kernel::default() };
    let covariance = Covariance::Stationary(kernel);
    let options = Options { covariance, construction: Construction::Hybrid, threads: 1, ..Options::default() };
    let before = LIVE.load(Ordering::Relaxed);
    let sizes: Vec<Option<usize>> = (0..8)
        .map(|_| {
            let tree = ResidualCoverTree::build(&options, &data, &mut Control::none()).unwrap();
            let (live, reported) = (LIVE.load(Ordering::Relaxed) - before, tree.stats().memory_bytes);
            let rows = reported - live;
            assert!(rows.abs_diff(n * m * 8) < rows / 50, "{rows} bytes of rows that are not allocated");
            assert!(reported <= most(n, 2, m), "{reported} bytes, the formula says {}", most(n, 2, m));
            let bytes = tree.to_bytes(&mut Control::none()).unwrap();
            let loaded = ResidualCoverTree::from_bytes(&bytes, &LoadOptions::default(), &mut Control::none()).unwrap();
            let ids: Vec<i64> = (0..20).map(|t| t * 1999).collect();
            let answer = |tree: &ResidualCoverTree| {
                tree.query_batch(&Query::ids((&ids[..]).into(), 9), &mut Control::none()).unwrap()
            };
            assert!(answer(&loaded) == answer(&tree));
            drop((tree, loaded, bytes));
            address_space()
        })
        .collect();
    // The allocator may keep what a file took; rows that are not given back are 140 MB, or twice that.
    if let (Some(first), Some(last)) = (sizes[0], sizes[7]) {
        assert!(last < first + (64 << 20), "{first} bytes of addresses after one tree is gone, {last} after eight");
    }
}

/// Bytes of addresses in use, where the system tells.
fn address_space() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:"))?;
    Some(1024 * line.split_whitespace().next()?.parse::<usize>().ok()?)
}
