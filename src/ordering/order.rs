//! The orderings, and the permutations that they are.

use super::frame::{all_ids, check_count, draw_without_replacement};
use super::{hilbert, maximin};
use crate::control::Control;
use crate::data::check_finite;
use crate::error::{Error, Result, try_with_capacity};
use ndarray::ArrayView2;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// The order in which points follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ordering {
    /// As given: 0, 1, 2, ... O(n).
    Natural,
    /// Along a Hilbert curve through cubic cells, ties by id; in one dimension, ascending. O(n d + n log n).
    ///
    /// The cube around all points is cut into 2^b cells along each of a dimensions, b = min(52, 128 / a). They are
    /// those, 128 at most, whose range is at least a cell's edge, the widest first. Points in the same cell tie.
    /// Source: Skilling, *Programming the Hilbert curve*, AIP Conf. Proc. 707 (2004).
    Hilbert,
    /// First the point nearest to the mean, then always the point whose least distance to those before it is largest;
    /// ties by smallest id.
    ///
    /// Exact, in Euclidean distances computed in f64; duplicates of earlier points come last, by id. About
    /// O(n log n) where points fill few dimensions, O(n^2 d) at worst. Sources: Guinness, *Permutation and grouping
    /// methods for sharpening Gaussian process approximations*, Technometrics 60 (2018); Schaefer, Katzfuss &
    /// Owhadi, *Sparse Cholesky factorization by Kullback-Leibler minimization*, SIAM J. Sci. Comput. 43 (2021).
    Maximin,
    /// Uniformly random, drawn with the seed: Fisher & Yates's shuffle with ChaCha8. O(n).
    Random,
}

/// A permutation of the ids 0..n: value t of the result is the id of the point that comes t-th.
///
/// `coords` is n x d, one row a point, in any layout and any unit; a length is the Euclidean distance of rows, so
/// coordinates are to be divided by their lengthscales first where there are several. `seed` matters to
/// [`Ordering::Random`] only. `control` hears the fraction done; the curve and the shuffle are too quick to stop
/// halfway, [`Ordering::Maximin`] stops within some ten milliseconds. Cost: see [`Ordering`].
///
/// # Errors
/// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) where there is no column, or more than 2^32 - 1 rows; [`NotFinite`](crate::ErrorKind::NotFinite), naming row and column;
/// [`Cancelled`](crate::ErrorKind::Cancelled); [`OutOfMemory`](crate::ErrorKind::OutOfMemory).
///
/// ```
/// use rct::{Control, Ordering, order};
///
/// let coords = ndarray::array![[0.0], [1.0], [5.0], [9.0]];
/// let ids = order(coords.view(), Ordering::Maximin, 0, &mut Control::none())?;
/// assert_eq!(ids, [2, 0, 3, 1]);
/// # Ok::<(), rct::Error>(())
/// ```
pub fn order(
    coords: ArrayView2<'_, f64>,
    ordering: Ordering,
    seed: u64,
    control: &mut Control<'_>,
) -> Result<Vec<usize>> {
    let (n, d) = coords.dim();
    if d == 0 {
        return Err(Error::invalid(format!("coords is {n} x 0; it needs at least one column")));
    }
    check_count(n)?;
    check_finite("coords", coords)?;
    control.step(0.0)?;
    let ids = match ordering {
        Ordering::Natural => all_ids(n)?,
        Ordering::Hilbert => hilbert::hilbert_order(coords, &all_ids(n)?)?,
        Ordering::Maximin => maximin::maximin(coords, control)?,
        Ordering::Random => draw_without_replacement(&mut ChaCha8Rng::seed_from_u64(seed), n, n)?,
    };
    let mut order = try_with_capacity(n, "the order")?;
    order.extend(ids.into_iter().map(|id| id as usize));
    control.step(1.0)?;
    Ok(order)
}
