//! The data sets: points, inducing points, kernel.

use ndarray::{Array2, s};
use rand::{Rng, SeedableRng, seq::index::sample};
use rand_chacha::ChaCha8Rng;
use rct::{Control, InducingMethod, Kernel, KernelFamily, Lengthscale, Ordering, order, select_inducing};

/// A data set.
pub struct Data {
    /// Points that are stored, n x d.
    pub coords: Array2<f64>,
    /// Points of the same kind that are not.
    pub new: Array2<f64>,
    pub inducing: Array2<f64>,
    pub kernel: Kernel,
}

/// The name, dimensions, whether normal, kernel, lengthscale and m of the synthetic sets.
pub const SYNTHETIC: [(&str, usize, bool, KernelFamily, f64, usize); 6] = [
    ("gold", 3, true, KernelFamily::Rbf, 1.0, 512),
    ("cube", 3, false, KernelFamily::Matern52, 0.1, 200),
    ("cube-512", 3, false, KernelFamily::Matern52, 0.2, 512),
    ("cube-rough", 3, false, KernelFamily::Matern12, 0.2, 200),
    ("square", 2, false, KernelFamily::Matern52, 0.1, 200),
    ("square-512", 2, false, KernelFamily::Matern32, 0.2, 512),
];

impl Data {
    /// The first `n` points of the set called `name`, and `new` more that are not stored.
    pub fn new(name: &str, n: usize, new: usize) -> Self {
        if name == "houses" { houses(n) } else { synthetic(name, n, new) }
    }
}

/// Uniform or normal points; the inducing points are a random subset of those that are stored.
fn synthetic(name: &str, n: usize, new: usize) -> Data {
    let &(_, d, normal, family, lengthscale, m) =
        SYNTHETIC.iter().find(|set| set.0 == name).expect("the name of a data set");
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let all = Array2::from_shape_fn((n + new, d), |_| {
        let (u, v): (f64, f64) = (rng.random(), rng.random());
        if normal { (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos() } else { u }
    });
    let chosen = sample(&mut rng, n, m);
    let inducing = Array2::from_shape_fn((m, d), |(i, j)| all[[chosen.index(i), j]]);
    let kernel = Kernel { family, variance: 1.0, lengthscale: Lengthscale::Isotropic(lengthscale) };
    Data { coords: all.slice(s![..n, ..]).to_owned(), new: all.slice(s![n.., ..]).to_owned(), inducing, kernel }
}

/// House sales in maximin order, with the kernel that the C example fits to them.
fn houses(n: usize) -> Data {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples-c/house_sales.csv");
    let text = std::fs::read_to_string(path).expect("the house sales");
    let fields = |line: &str| line.split(',').take(2).map(|field| field.parse().expect("a number")).collect();
    let rows: Vec<Vec<f64>> = text.lines().skip(1).take(n).map(fields).collect();
    let given = Array2::from_shape_fn((rows.len(), 2), |(i, j)| rows[i][j]);
    let along = order(given.view(), Ordering::Maximin, 1, &mut Control::none()).expect("an order");
    let coords = Array2::from_shape_fn(given.dim(), |(i, j)| given[[along[i] as usize, j]]);
    let method = InducingMethod::KMeansPlusPlus;
    let inducing = select_inducing(coords.view(), 200, method, 1, &mut Control::none()).expect("inducing points");
    let lengthscale = Lengthscale::Isotropic(2900.0);
    let kernel = Kernel { family: KernelFamily::Matern32, variance: 1.0, lengthscale };
    Data { coords, new: Array2::zeros((0, 2)), inducing, kernel }
}
