//! quick
use ndarray::{Array1, Array2, s};
use rand::{Rng, SeedableRng, seq::index::sample};
use rand_chacha::ChaCha8Rng;
use rct::*;
use std::time::Instant;

fn houses() {
    let text = std::fs::read_to_string("examples-c/house_sales.csv").unwrap();
    let rows: Vec<f64> = text
        .lines()
        .skip(1)
        .flat_map(|l| l.split(',').take(2).map(|v| v.parse::<f64>().unwrap()).collect::<Vec<_>>())
        .collect();
    let coords = Array2::from_shape_vec((rows.len() / 2, 2), rows).unwrap();
    let z = select_inducing(coords.view(), 200, InducingMethod::KMeansPlusPlus, 1, &mut Control::none()).unwrap();
    let ord: Array1<i64> = order(coords.view(), Ordering::Maximin, 1, &mut Control::none())
        .unwrap()
        .into_iter()
        .map(|i| i as i64)
        .collect();
    let kernel = Kernel { family: KernelFamily::Matern32, variance: 1.0, lengthscale: Lengthscale::Isotropic(2900.0) };
    let options = Options {
        covariance: Covariance::Stationary(kernel),
        construction: Construction::Hybrid,
        ..Options::default()
    };
    let t = Instant::now();
    let tree = ResidualCoverTree::build(&options, &Data::with_inducing(coords.view(), z.view()), &mut Control::none())
        .unwrap();
    println!("build {:.2}", t.elapsed().as_secs_f64());
    let t = Instant::now();
    tree.vecchia_neighbors(30, Some(ord.view()), &mut Control::none()).unwrap();
    println!("houses {:.2} {:?}", t.elapsed().as_secs_f64(), tree.stats().last_search);
}

fn main() {
    if std::env::args().any(|a| a == "houses") {
        return houses();
    }
    let args: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let sets: Vec<(&str, usize, &str, KernelFamily, f64, usize)> = vec![
        ("gold", 3, "normal", KernelFamily::Rbf, 1.0, 512),
        ("cube", 3, "u", KernelFamily::Matern52, 0.1, 200),
        ("cube-512", 3, "u", KernelFamily::Matern52, 0.2, 512),
        ("cube-rough", 3, "u", KernelFamily::Matern12, 0.2, 200),
        ("square", 2, "u", KernelFamily::Matern52, 0.1, 200),
        ("square-512", 2, "u", KernelFamily::Matern32, 0.2, 512),
    ];
    for (name, d, dist, family, l, m) in sets {
        if !args.is_empty() && !args.iter().any(|a| a == name) {
            continue;
        }
        let n = std::env::var("N").map_or(32768, |v| v.parse().unwrap());
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let coords = Array2::from_shape_fn((n, d), |_| {
            if dist == "u" {
                rng.random::<f64>()
            } else {
                let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
                (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
            }
        });
        let pick = sample(&mut rng, n, m);
        let z = Array2::from_shape_fn((m, d), |(i, j)| coords[[pick.index(i), j]]);
        let kernel = Kernel { family, variance: 1.0, lengthscale: Lengthscale::Isotropic(l) };
        for construction in [Construction::Pure, Construction::Hybrid] {
            if std::env::var("HYB").is_ok() && construction == Construction::Pure {
                continue;
            }
            let options =
                Options { covariance: Covariance::Stationary(kernel.clone()), construction, ..Options::default() };
            let tree =
                ResidualCoverTree::build(&options, &Data::with_inducing(coords.view(), z.view()), &mut Control::none())
                    .unwrap();
            let st = tree.stats();
            println!(
                "{name} {construction:?} V {:.2}s tree {:.2}s evals/pt {:.0} blocks {} {:?}",
                st.seconds.factor,
                st.seconds.tree,
                st.build_evaluations as f64 / n as f64,
                st.blocks,
                st.shape
            );
            if std::env::var("PROF").is_ok() {
                for _ in 0..2 {
                    let t = Instant::now();
                    tree.vecchia_neighbors(30, None, &mut Control::none()).unwrap();
                    println!("pred {:.2}", t.elapsed().as_secs_f64());
                }
                continue;
            }
            let ids: Array1<i64> = sample(&mut rng, n, 1024).iter().map(|i| i as i64).collect();
            if std::env::var("LOOP").is_ok() {
                let q = Query::ids(ids.view(), 50);
                let t = Instant::now();
                for _ in 0..30 {
                    tree.query_batch(&q, &mut Control::none()).unwrap();
                }
                println!("loop {:.0} q/s", 30.0 * 1024.0 / t.elapsed().as_secs_f64());
                continue;
            }
            let mut brute = None;
            for traversal in
                [Traversal::BruteForce, Traversal::Automatic, Traversal::LevelSynchronous, Traversal::BestFirst]
            {
                if std::env::var("FAST").is_ok()
                    && matches!(traversal, Traversal::LevelSynchronous | Traversal::BestFirst)
                {
                    continue;
                }
                let q = Query { traversal, ..Query::ids(ids.view(), 50) };
                let t = Instant::now();
                let a = tree.query_batch(&q, &mut Control::none()).unwrap();
                let secs = t.elapsed().as_secs_f64();
                let c = tree.stats().last_search.counters;
                let same = brute.get_or_insert_with(|| (a.clone(), secs)).0 == a;
                println!(
                    "  {traversal:?}: {:.0} q/s x{:.1} evals/q {:.0} same {same} {c:?}",
                    1024.0 / secs,
                    brute.as_ref().unwrap().1 / secs,
                    c.distance_evaluations as f64 / 1024.0
                );
            }
            if std::env::var("PRED").is_ok() {
                let t = Instant::now();
                let a = tree.vecchia_neighbors(30, None, &mut Control::none()).unwrap();
                let s1 = t.elapsed().as_secs_f64();
                let c = tree.stats().last_search.counters;
                let ob = Options { traversal: Traversal::BruteForce, ..options.clone() };
                let tb =
                    ResidualCoverTree::build(&ob, &Data::with_inducing(coords.view(), z.view()), &mut Control::none())
                        .unwrap();
                let t = Instant::now();
                let b = tb.vecchia_neighbors(30, None, &mut Control::none()).unwrap();
                let s2 = t.elapsed().as_secs_f64();
                println!(
                    "  predecessors {s1:.2}s + tree {:.2} vs brute {s2:.2}s: x{:.1}; same {} evals/q {:.0}",
                    st.seconds.tree,
                    s2 / (s1 + st.seconds.tree),
                    a == b,
                    c.distance_evaluations as f64 / n as f64
                );
            }
        }
    }
    let _ = s![..];
}
