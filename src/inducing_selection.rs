//! Choosing inducing points: a random subset of the points, or the centres of a k-means clustering.
//!
//! Inducing points serve best where they cover the points evenly at the scale of the covariance; k-means centres do,
//! at the cost of a few dozen passes over the points. Both ways are deterministic: the same coordinates and seed give
//! the same inducing points on every machine.

use crate::control::Control;
use crate::data::check_finite;
use crate::error::{Error, ErrorKind, Result, checked_area, try_vec, try_with_capacity};
use crate::ordering::{Frame, all_ids, check_count, draw_without_replacement};
use crate::simd::{Simd, squared::add_squared_differences};
use ndarray::{Array2, ArrayView2};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// How inducing points are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InducingMethod {
    /// k-means++ seeds refined by at most 20 of Lloyd's iterations; at most 22 n m d multiply-adds.
    ///
    /// Of more than max(50 m, 20,000) points, that many are drawn at random first and the others are not looked at,
    /// so n is at most that in the cost. Sources: Arthur & Vassilvitskii, *k-means++: the advantages of careful
    /// seeding*, SODA 2007; Lloyd, *Least squares quantization in PCM*, IEEE Trans. Inf. Theory 28 (1982).
    KMeansPlusPlus,
    /// m of the points, drawn uniformly without replacement; O(n + m d).
    Random,
}

/// Lloyd's iterations at most.
const ITERATIONS: usize = 20;

/// Points a cluster that are enough to place its centre.
const POINTS_PER_CLUSTER: usize = 50;

/// Up to this number of points, all are used.
const SMALL: usize = 20_000;

/// Points that go through the distance loop together; a block's distances stay in the first-level cache.
const BLOCK: usize = 256;

/// Coordinate differences between two looks at `control`: some milliseconds.
const STEP: usize = 1 << 22;

/// `m` inducing points for the points `coords`, n x d, one row a point: an m x d matrix in the unit of `coords`.
///
/// k-means minimises Euclidean distances, so coordinates are to be divided by their lengthscales first where there
/// are several. Its centres need not be points. A cluster that loses all its points keeps its centre. `control` hears
/// the fraction done, and stops k-means within a few milliseconds. Cost: see [`InducingMethod`]; where points drawn are
/// equal, the distinct ones take their place, in O(n d log n) more.
///
/// # Errors
/// [`InvalidArgument`](ErrorKind::InvalidArgument) where there are fewer than m distinct points, d = 0 or n > 2^32 - 1;
/// [`NotFinite`](ErrorKind::NotFinite), naming row and column; [`Cancelled`](ErrorKind::Cancelled);
/// [`OutOfMemory`](ErrorKind::OutOfMemory).
///
/// ```
/// use rct::{Control, InducingMethod, select_inducing};
///
/// let coords = ndarray::array![[0.0], [10.0], [0.5], [11.0]];
/// let z = select_inducing(coords.view(), 2, InducingMethod::KMeansPlusPlus, 1, &mut Control::none())?;
/// assert_eq!(z.sum(), 0.25 + 10.5);
/// # Ok::<(), rct::Error>(())
/// ```
pub fn select_inducing(
    coords: ArrayView2<'_, f64>,
    m: usize,
    method: InducingMethod,
    seed: u64,
    control: &mut Control<'_>,
) -> Result<Array2<f64>> {
    check_number(coords, m)?;
    let (n, d) = coords.dim();
    check_finite("coords", coords)?;
    control.step(0.0)?;
    if m == 0 {
        return Ok(Array2::zeros((0, d)));
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let inducing = match method {
        InducingMethod::Random => {
            let mut ids = draw_without_replacement(&mut rng, n, m)?;
            if distinct(coords, ids.clone()).len() < m {
                ids = drawn(&enough_distinct(coords, m)?, m, &mut rng)?;
            }
            rows(coords, &ids)?
        }
        InducingMethod::KMeansPlusPlus => k_means(coords, m, &mut rng, control)?,
    };
    control.step(1.0)?;
    Ok(inducing)
}

/// Checks that there are as many as m rows, and ids for them.
pub(crate) fn check_number(coords: ArrayView2<'_, f64>, m: usize) -> Result<()> {
    let (n, d) = coords.dim();
    if d == 0 {
        return Err(Error::invalid(format!("coords is {n} x 0; it needs at least one column")));
    }
    if m > n {
        return Err(Error::invalid(format!("m is {m}, but coords has only {n} rows to choose inducing points from")));
    }
    check_count(n)
}

/// Those of `ids` whose rows are those of no smaller one among them, ascending.
fn distinct(coords: ArrayView2<'_, f64>, mut ids: Vec<u32>) -> Vec<u32> {
    let row = |id: u32| coords.row(id as usize);
    // Coordinates are finite.
    let compare = |a: u32, b: u32| row(a).iter().partial_cmp(row(b)).unwrap_or(std::cmp::Ordering::Equal);
    ids.sort_unstable_by(|&a, &b| compare(a, b).then(a.cmp(&b)));
    ids.dedup_by(|later, earlier| compare(*earlier, *later).is_eq());
    ids.sort_unstable();
    ids
}

/// The first of each set of equal rows, at least m.
fn enough_distinct(coords: ArrayView2<'_, f64>, m: usize) -> Result<Vec<u32>> {
    let ids = distinct(coords, all_ids(coords.nrows())?);
    let found = ids.len();
    if found < m { Err(Error::invalid(format!("m is {m} but coords has {found} distinct rows"))) } else { Ok(ids) }
}

/// `count` of `ids`, drawn without replacement.
fn drawn(ids: &[u32], count: usize, rng: &mut ChaCha8Rng) -> Result<Vec<u32>> {
    let places = draw_without_replacement(rng, ids.len(), count)?;
    Ok(places.into_iter().map(|place| ids[place as usize]).collect())
}

/// The rows `ids` of `coords`.
fn rows(coords: ArrayView2<'_, f64>, ids: &[u32]) -> Result<Array2<f64>> {
    let d = coords.ncols();
    let mut values = try_with_capacity(checked_area(ids.len(), d, "inducing points")?, "inducing points")?;
    ids.iter().for_each(|&id| values.extend(coords.row(id as usize)));
    matrix(values, ids.len(), d)
}

/// `values`, row by row, as a matrix.
fn matrix(values: Vec<f64>, rows: usize, columns: usize) -> Result<Array2<f64>> {
    Array2::from_shape_vec((rows, columns), values).map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))
}

/// The centres of m >= 1 clusters.
fn k_means(
    coords: ArrayView2<'_, f64>,
    m: usize,
    rng: &mut ChaCha8Rng,
    control: &mut Control<'_>,
) -> Result<Array2<f64>> {
    let n = coords.nrows();
    let enough = m.saturating_mul(POINTS_PER_CLUSTER).max(SMALL);
    let frame = Frame::of(coords)?;
    let clustering = |ids: &[u32]| Clustering::new(frame.columns(coords, ids)?, ids.len(), frame.dims.len(), m);
    let mut ids = if n <= enough { all_ids(n)? } else { draw_without_replacement(rng, n, enough)? };
    let mut clusters = clustering(&ids)?;
    let mut seeds = clusters.seed(rng, control)?;
    if seeds.len() < m {
        ids = enough_distinct(coords, m)?;
        if ids.len() > enough {
            ids = drawn(&ids, enough, rng)?;
        }
        clusters = clustering(&ids)?;
        seeds = clusters.seed(rng, control)?;
        clusters.add_seeds(&mut seeds)?;
    }
    // The seeds' rows have the values of the dimensions along which all points agree.
    let mut inducing = rows(coords, &seeds.iter().map(|&seed| ids[seed]).collect::<Vec<_>>())?;
    clusters.refine(control)?;
    for (c, mut row) in inducing.rows_mut().into_iter().enumerate() {
        for (&j, &x) in frame.dims.iter().zip(clusters.centre(c)) {
            row[j] = x / frame.factor;
        }
    }
    Ok(inducing)
}

/// Points and the centres of their clusters, in the coordinates of a [`Frame`].
struct Clustering {
    simd: Simd,
    n: usize,
    d: usize,
    m: usize,
    /// Points, dimension by dimension: `points[j * n + i]`.
    points: Vec<f64>,
    /// Centres, row by row: `centres[c * d + j]`.
    centres: Vec<f64>,
    /// The cluster of each point; `u32::MAX` before the first assignment.
    clusters: Vec<u32>,
    /// Squared distance of each point from the nearest centre.
    least_squared: Vec<f64>,
    /// Coordinate differences computed since the last look at `control`.
    work: usize,
}

impl Clustering {
    /// `n` points in `d` dimensions, given dimension by dimension, without centres yet.
    fn new(points: Vec<f64>, n: usize, d: usize, m: usize) -> Result<Self> {
        Ok(Clustering {
            simd: Simd::detect(),
            n,
            d,
            m,
            points,
            centres: try_with_capacity(checked_area(m, d, "inducing points")?, "inducing points")?,
            clusters: try_vec(n, u32::MAX, "clusters")?,
            least_squared: try_vec(n, f64::INFINITY, "distances to centres")?,
            work: 0,
        })
    }

    /// Coordinates of a centre.
    fn centre(&self, centre: usize) -> &[f64] {
        &self.centres[centre * self.d..(centre + 1) * self.d]
    }

    /// Makes m points centres, each drawn with probability proportional to its squared distance from the nearest
    /// before it, and returns which; fewer where then every point is at a centre. O(n m d).
    fn seed(&mut self, rng: &mut ChaCha8Rng, control: &mut Control<'_>) -> Result<Vec<usize>> {
        let mut seeds = try_with_capacity(self.m, "inducing points")?;
        let mut next = rng.random_range(0..self.n as u32) as usize;
        loop {
            seeds.push(next);
            self.add_centre(next);
            if seeds.len() == self.m {
                return Ok(seeds);
            }
            self.approach(seeds.len() - 1);
            let total: f64 = self.least_squared.iter().sum();
            if total == 0.0 {
                return Ok(seeds);
            }
            next = self.draw(rng.random::<f64>() * total);
            self.step(control, 0, seeds.len() as f64 / self.m as f64)?;
        }
    }

    /// Makes the first points that are no `seeds` centres, up to m: so near to seeds that squares underflow.
    fn add_seeds(&mut self, seeds: &mut Vec<usize>) -> Result<()> {
        let mut drawn = try_vec(self.n, false, "inducing points")?;
        seeds.iter().for_each(|&seed| drawn[seed] = true);
        for i in (0..self.n).filter(|&i| !drawn[i]).take(self.m - seeds.len()) {
            seeds.push(i);
            self.add_centre(i);
        }
        Ok(())
    }

    /// Makes point `i` a centre.
    fn add_centre(&mut self, i: usize) {
        self.centres.extend((0..self.d).map(|j| self.points[j * self.n + i]));
    }

    /// The first point at which the sum of squared distances exceeds `target`; never one at a centre.
    fn draw(&self, target: f64) -> usize {
        let mut left = target;
        let found = self.least_squared.iter().position(|&squared| {
            left -= squared;
            left < 0.0
        });
        // Rounding may leave a rest: the last that could be drawn.
        found.or_else(|| self.least_squared.iter().rposition(|&squared| squared > 0.0)).unwrap_or(0)
    }

    /// Lowers the least distances of all points to those from `centre`.
    fn approach(&mut self, centre: usize) {
        let mut squared = [0.0; BLOCK];
        for start in (0..self.n).step_by(BLOCK) {
            let squared = &mut squared[..BLOCK.min(self.n - start)];
            self.squared_distances(centre, start, squared);
            let least = &mut self.least_squared[start..start + squared.len()];
            least.iter_mut().zip(squared).for_each(|(least, squared)| *least = least.min(*squared));
        }
        self.work += self.n * self.d.max(1);
    }

    /// Lloyd's iterations: points to their nearest centres, centres to the means of their points, until no point
    /// changes its cluster. O(n m d) each.
    fn refine(&mut self, control: &mut Control<'_>) -> Result<()> {
        for iteration in 0..ITERATIONS {
            if !self.assign(iteration, control)? {
                break;
            }
            self.recentre()?;
        }
        Ok(())
    }

    /// Puts every point into the cluster of its nearest centre, ties by smallest index; whether any changed.
    fn assign(&mut self, iteration: usize, control: &mut Control<'_>) -> Result<bool> {
        let mut changed = false;
        let mut squared = [0.0; BLOCK];
        for start in (0..self.n).step_by(BLOCK) {
            let squared = &mut squared[..BLOCK.min(self.n - start)];
            let (mut least, mut nearest) = ([f64::INFINITY; BLOCK], [0; BLOCK]);
            for centre in 0..self.m {
                self.squared_distances(centre, start, squared);
                for ((least, nearest), &squared) in least.iter_mut().zip(&mut nearest).zip(squared.iter()) {
                    if squared < *least {
                        (*least, *nearest) = (squared, centre as u32);
                    }
                }
            }
            for (cluster, nearest) in self.clusters[start..start + squared.len()].iter_mut().zip(nearest) {
                changed |= *cluster != nearest;
                *cluster = nearest;
            }
            self.work += squared.len() * self.m * self.d.max(1);
            self.step(control, 1 + iteration, start as f64 / self.n as f64)?;
        }
        Ok(changed)
    }

    /// Moves every centre to the mean of its points, if it has any.
    fn recentre(&mut self) -> Result<()> {
        let mut sums = try_vec(self.centres.len(), 0.0, "inducing points")?;
        let mut counts = try_vec(self.m, 0u32, "inducing points")?;
        self.clusters.iter().for_each(|&cluster| counts[cluster as usize] += 1);
        for (j, column) in self.points.chunks_exact(self.n).enumerate() {
            for (&cluster, &x) in self.clusters.iter().zip(column) {
                sums[cluster as usize * self.d + j] += x;
            }
        }
        for (c, &count) in counts.iter().enumerate().filter(|&(_, &count)| count > 0) {
            let cluster = c * self.d..(c + 1) * self.d;
            for (centre, &sum) in self.centres[cluster.clone()].iter_mut().zip(&sums[cluster]) {
                *centre = sum / f64::from(count);
            }
        }
        Ok(())
    }

    /// Squared distances of `centre` from the points from `start` on into `out`.
    fn squared_distances(&self, centre: usize, start: usize, out: &mut [f64]) {
        out.fill(0.0);
        for (&x, column) in self.centre(centre).iter().zip(self.points.chunks_exact(self.n)) {
            add_squared_differences(self.simd, x, &column[start..start + out.len()], out);
        }
    }

    /// Looks at `control` when enough was done: `done` (0 to 1) of `pass`, one of seeding and the iterations.
    fn step(&mut self, control: &mut Control<'_>, pass: usize, done: f64) -> Result<()> {
        if self.work < STEP {
            return Ok(());
        }
        self.work = 0;
        control.step((pass as f64 + done) / (1 + ITERATIONS) as f64)
    }
}
