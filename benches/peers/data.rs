//! The points that all are given, shuffled: their order is that of the predecessors.

use rand::{Rng, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use std::f64::consts::PI;

/// Points by rows.
pub struct Points {
    pub d: usize,
    pub coords: Vec<f64>,
    /// Of the covariance function, for the correlation metric.
    pub lengthscale: f64,
    /// Within which about [`WITHIN`] points are.
    pub radius: f64,
}

/// How many points are within the radius, about.
const WITHIN: f64 = 30.0;

/// A kind of points.
#[derive(Clone, Copy, PartialEq)]
pub enum Set {
    /// Uniform in the unit cube of so many dimensions.
    Uniform(usize),
    /// The house sales of the C example, in metres.
    Houses,
    /// A square lattice with spacing 1.
    Lattice,
    /// All at so many places, equally often.
    Places(usize),
    /// 99.9 % at one place, the others uniform.
    Mostly,
}

impl Set {
    pub fn name(self) -> String {
        match self {
            Set::Uniform(d) => format!("uniform-{d}"),
            Set::Houses => "houses".into(),
            Set::Lattice => "lattice".into(),
            Set::Places(places) => format!("places-{places}"),
            Set::Mostly => "mostly-one-place".into(),
        }
    }

    pub fn d(self) -> usize {
        if let Set::Uniform(d) = self { d } else { 2 }
    }

    pub fn points(self, n: usize) -> Points {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let (rows, lengthscale, radius) = match self {
            Set::Uniform(d) => {
                let lengthscale = if d < 8 { 0.1 } else { 1.0 };
                (uniform(n, d, &mut rng), lengthscale, (WITHIN / (n as f64 * unit_ball(d))).powf(1.0 / d as f64))
            }
            // Coordinates are whole centimetres: no two houses are as far apart as that.
            Set::Houses => (houses(n), 2900.0, 90_000.000_05_f64.sqrt()),
            Set::Lattice => {
                let side = n.isqrt();
                let rows = (0..side * side).map(|i| vec![(i % side) as f64, (i / side) as f64]).collect();
                // No two points are as far apart as that: its square is no integer.
                (rows, 0.1 * side as f64, (WITHIN / PI).sqrt())
            }
            Set::Places(places) => {
                let at = uniform(places, 2, &mut rng);
                ((0..n).map(|i| at[i % places].clone()).collect(), 0.1, 1e-3)
            }
            Set::Mostly => {
                let mut rows = uniform(n, 2, &mut rng);
                let most = n - n / 1000;
                rows[..most].fill(vec![0.5, 0.5]);
                (rows, 0.1, 1e-3)
            }
        };
        let mut rows: Vec<Vec<f64>> = rows;
        rows.shuffle(&mut rng);
        Points { d: self.d(), coords: rows.concat(), lengthscale, radius }
    }
}

impl Points {
    pub fn len(&self) -> usize {
        self.coords.len() / self.d
    }

    pub fn row(&self, i: usize) -> &[f64] {
        &self.coords[i * self.d..(i + 1) * self.d]
    }

    /// The rows as arrays of D = d numbers.
    pub fn arrays<const D: usize>(&self) -> &[[f64; D]] {
        assert_eq!(self.d, D);
        self.coords.as_chunks().0
    }

    pub fn squared_distance(&self, i: usize, j: usize) -> f64 {
        self.row(i).iter().zip(self.row(j)).map(|(a, b)| (a - b) * (a - b)).sum()
    }
}

fn uniform(n: usize, d: usize, rng: &mut ChaCha8Rng) -> Vec<Vec<f64>> {
    (0..n).map(|_| (0..d).map(|_| rng.random()).collect()).collect()
}

fn houses(n: usize) -> Vec<Vec<f64>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples-c/house_sales.csv");
    let text = std::fs::read_to_string(path).expect("the house sales");
    let fields = |line: &str| line.split(',').take(2).map(|field| field.parse().expect("a number")).collect();
    text.lines().skip(1).take(n).map(fields).collect()
}

/// The volume of the unit ball.
fn unit_ball(d: usize) -> f64 {
    match d {
        0 => 1.0,
        1 => 2.0,
        _ => unit_ball(d - 2) * 2.0 * PI / d as f64,
    }
}
