//! Where single precision does not do: residual variances near 1e-6 of the variance, which a smooth kernel and many
//! inducing points leave. The definition computed in f32 names other neighbours; the library does not.

mod common;

use common::{Oracle, rng, uniform};
use ndarray::{Array1, Array2};
use rct::{
    Construction, Control, Covariance, Data, Kernel, KernelFamily, Lengthscale, MetricKind, Options, Query,
    ResidualCoverTree,
};

const K: usize = 15;

/// Positions of the `K` nearest of point `i`, ascending, by V and p rounded to f32 and all arithmetic in f32.
fn naive(v: &Array2<f64>, p: &Array1<f64>, coords: &Array2<f64>, kernel: &Kernel, i: usize) -> Vec<usize> {
    let v = v.mapv(|x| x as f32);
    let p = p.mapv(|x| x as f32);
    let Lengthscale::Isotropic(lengthscale) = kernel.lengthscale else { unreachable!("one lengthscale") };
    let rho = |j: usize| {
        let squared: f32 = coords.row(i).iter().zip(coords.row(j)).map(|(a, b)| (*a as f32 - *b as f32).powi(2)).sum();
        let k = kernel.variance as f32 * (-0.5 * squared / (lengthscale * lengthscale) as f32).exp();
        let residual = k - v.row(i).dot(&v.row(j));
        if i == j { 1.0 } else { (residual / (p[i] * p[j]).sqrt()).abs().min(1.0) }
    };
    let mut order: Vec<(f32, usize)> = (0..p.len()).map(|j| (rho(j), j)).collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut nearest: Vec<usize> = order[..K].iter().map(|&(_, j)| j).collect();
    nearest.sort_unstable();
    nearest
}

#[test]
fn answers_are_those_of_double_precision_where_single_precision_fails() {
    for seed in 0..3 {
        let mut rng = rng(7100 + seed);
        let (n, m) = (3000, 150);
        let coords = uniform(n, 2, &mut rng);
        let inducing = uniform(m, 2, &mut rng);
        let kernel = Kernel { family: KernelFamily::Rbf, variance: 1.0, lengthscale: Lengthscale::Isotropic(0.3) };
        let options = Options {
            covariance: Covariance::Stationary(kernel.clone()),
            construction: Construction::Hybrid,
            ..Options::default()
        };
        let data = Data::with_inducing(coords.view(), inducing.view());
        let tree = ResidualCoverTree::build(&options, &data, &mut Control::none()).unwrap();
        let ids: Vec<i64> = (0..n as i64).step_by(23).collect();
        let found = tree.query_batch(&Query::ids((&ids[..]).into(), K), &mut Control::none()).unwrap();

        let oracle =
            Oracle::new(MetricKind::Residual, coords.view(), Some(inducing.view()), kernel.clone(), 1e-6, 1e-10);
        let (v, p) = oracle.residual();
        let mut wrong = 0;
        for (q, &id) in ids.iter().enumerate() {
            let context = format!("seed {seed}");
            oracle.check(id as usize, K, |_| true, &found.of(q).collect::<Vec<_>>(), &context);
            let mut exact: Vec<usize> = found.ids_of(q).iter().map(|&id| id as usize).collect();
            exact.sort_unstable();
            wrong += usize::from(naive(v, p, &coords, &kernel, id as usize) != exact);
        }
        assert!(
            2 * wrong > ids.len(),
            "seed {seed}: single precision is wrong for {wrong} of {} points only",
            ids.len()
        );
    }
}
