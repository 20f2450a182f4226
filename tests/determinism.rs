//! The same question has the same answer, bit for bit: with any number of threads, in batches of any size, asked in
//! any order, asked again, and from a tree built again.

mod common;

use common::{TRAVERSALS, normal, rng, uniform};
use ndarray::{Array2, s};
use rct::{
    Construction, Control, Covariance, Data, Kernel, KernelFamily, Lengthscale, MetricKind, Neighbors, Options, Query,
    ResidualCoverTree, Traversal,
};

const N: usize = 3000;
const K: usize = 10;

/// Coordinates, and the inducing points of the residual metric.
struct Problem {
    metric: MetricKind,
    construction: Construction,
    coords: Array2<f64>,
    inducing: Array2<f64>,
    new: Array2<f64>,
    context: String,
}

impl Problem {
    fn tree(&self, threads: usize) -> ResidualCoverTree {
        let kernel = Kernel { family: KernelFamily::Matern52, variance: 1.5, lengthscale: Lengthscale::Isotropic(0.4) };
        let options = Options {
            metric: self.metric,
            covariance: Covariance::Stationary(kernel),
            construction: self.construction,
            threads,
            ..Options::default()
        };
        let inducing = (self.metric == MetricKind::Residual).then(|| self.inducing.view());
        let data = Data { inducing, ..Data::new(self.coords.view()) };
        ResidualCoverTree::build(&options, &data, &mut Control::none()).unwrap()
    }
}

fn problems() -> Vec<Problem> {
    let cases = [
        (MetricKind::Residual, Construction::Pure, 40),
        (MetricKind::Residual, Construction::Hybrid, 40),
        (MetricKind::Correlation, Construction::Pure, 0),
        (MetricKind::Euclidean, Construction::Pure, 0),
    ];
    let problem = |(seed, (metric, construction, m))| {
        let mut rng = rng(seed);
        let coords = if seed % 2 == 0 { uniform(N, 2, &mut rng) } else { normal(N, 3, &mut rng) };
        let (inducing, new) = (coords.slice(s![..m, ..]).to_owned(), uniform(150, coords.ncols(), &mut rng));
        let context = format!("seed {seed}, {metric:?}, {construction:?}");
        Problem { metric, construction, coords, inducing, new, context }
    };
    (1..).zip(cases).map(problem).collect()
}

/// Ids and the bits of distances of each query.
fn bits(answer: &Neighbors) -> Vec<Vec<(i64, u64)>> {
    (0..answer.len()).map(|q| answer.of(q).map(|(id, distance)| (id, distance.to_bits())).collect()).collect()
}

/// The bits of the answers for stored points and for new ones, asked `batch` at a time.
fn ask(tree: &ResidualCoverTree, problem: &Problem, traversal: Traversal, batch: usize) -> Vec<Vec<(i64, u64)>> {
    let ids: Vec<i64> = (0..200).map(|t| (t * 1009) % N as i64).collect();
    let mut found = Vec::new();
    for ids in ids.chunks(batch) {
        let query = Query { traversal, exclude_self: true, ..Query::ids(ids.into(), K) };
        found.extend(bits(&tree.query_batch(&query, &mut Control::none()).unwrap()));
    }
    for new in problem.new.axis_chunks_iter(ndarray::Axis(0), batch) {
        let query = Query { traversal, ..Query::coords(new, K) };
        found.extend(bits(&tree.query_batch(&query, &mut Control::none()).unwrap()));
    }
    found
}

#[test]
fn threads_do_not_change_an_answer() {
    for problem in problems() {
        let answers = |threads: usize| {
            let tree = problem.tree(threads);
            let sets = bits(&tree.vecchia_neighbors(K, None, &mut Control::none()).unwrap());
            (TRAVERSALS.map(|traversal| ask(&tree, &problem, traversal, usize::MAX)), sets, tree.stats().shape)
        };
        let one = answers(1);
        for threads in [2, 3] {
            assert!(answers(threads) == one, "{threads} threads; {}", problem.context);
        }
        assert!(answers(1) == one, "built again; {}", problem.context);
    }
}

#[test]
fn batches_do_not_change_an_answer() {
    for problem in problems() {
        let tree = problem.tree(2);
        for traversal in TRAVERSALS {
            let all = ask(&tree, &problem, traversal, usize::MAX);
            for batch in [1, 7, 64] {
                let split = ask(&tree, &problem, traversal, batch);
                assert!(split == all, "batches of {batch}, {traversal:?}; {}", problem.context);
            }
        }
    }
}

#[test]
fn traversals_do_not_change_an_answer() {
    for problem in problems() {
        let tree = problem.tree(2);
        let [first, others @ ..] = TRAVERSALS.map(|traversal| ask(&tree, &problem, traversal, usize::MAX));
        assert!(others.iter().all(|other| *other == first), "{}", problem.context);
    }
}

#[test]
fn the_order_of_queries_does_not_change_an_answer() {
    for problem in problems() {
        let tree = problem.tree(2);
        let ids: Vec<i64> = (0..500).collect();
        let backwards: Vec<i64> = ids.iter().rev().copied().collect();
        let ask = |ids: &[i64]| bits(&tree.query_batch(&Query::ids(ids.into(), K), &mut Control::none()).unwrap());
        let mut turned = ask(&backwards);
        turned.reverse();
        assert!(ask(&ids) == turned, "{}", problem.context);
    }
}

#[test]
fn a_query_repeated_in_a_batch_is_answered_alike() {
    for problem in problems() {
        let tree = problem.tree(2);
        let ids: Vec<i64> = (0..300).map(|t| t % 3).collect();
        let answer = bits(&tree.query_batch(&Query::ids((&ids[..]).into(), K), &mut Control::none()).unwrap());
        assert!((3..300).all(|q| answer[q] == answer[q - 3]), "{}", problem.context);
    }
}
