//! How a tree is built: the layout of the points, inducing points, V and p, and one part of all points.

use super::part::{Common, Ids, Part, simd};
use super::tree::ResidualCoverTree;
use crate::control::Control;
use crate::data::Data;
use crate::error::{Error, Result};
use crate::kernel::Covariance;
use crate::layout::Layout;
use crate::metric::{AnyMetric, Preparation};
use crate::options::Options;
use crate::parallel::Threads;
use crate::search::InUse;
use crate::stats::BuildSeconds;
use arc_swap::ArcSwap;
use std::time::Instant;

impl ResidualCoverTree {
    /// Builds a tree over the rows of `data.coords`.
    ///
    /// O(m^3 + n m^2) for the factor, and some evaluations of O(m) a point for the index. The nodes of the cover tree are made now
    /// if `options.traversal` goes through them, and else when they are first asked for: at most n^2 / 2 and usually far fewer
    /// evaluations.
    ///
    /// # Errors
    /// Wrong shapes or options, values that are not finite, an inducing covariance that is not positive definite,
    /// memory, cancellation; nothing is left behind.
    pub fn build(options: &Options, data: &Data<'_>, control: &mut Control<'_>) -> Result<Self> {
        options.check()?;
        if data.coords.nrows() == 0 {
            return Err(Error::invalid(format!("coords is 0 x {}; it needs at least one row", data.coords.ncols())));
        }
        let clock = Instant::now();
        let custom = matches!(options.covariance, Covariance::Custom(_));
        let threads = Threads::new(if custom { 1 } else { options.threads });
        control.window(0.0, 0.3);
        control.phase(0.0, 1.0);
        let mut preparation = Preparation::new(options, simd(options), data)?;
        let (metric, layout, order) = laid_out(&mut preparation, options, data, &threads, control)?;
        let lengthscale = metric.lengthscale_check()?;
        let factor = clock.elapsed().as_secs_f64() - order;
        control.window(0.3, 1.0);
        let common = Common { options, preparation: &preparation, threads: &threads };
        let count = data.coords.nrows() as u32;
        let part = Part::new(common, metric, layout, Ids::Range(0, count), None, control)?;
        Ok(ResidualCoverTree {
            options: options.clone(),
            threads,
            preparation,
            seconds: BuildSeconds { factor, order, tree: part.seconds_tree },
            lengthscale,
            parts: vec![part],
            next_id: count,
            last_search: ArcSwap::default(),
            in_use: InUse::ALL,
        })
    }
}

/// The layout of the points of `data`, their metric, in that layout, and the seconds that the layout took.
pub(super) fn laid_out(
    preparation: &mut Preparation,
    options: &Options,
    data: &Data<'_>,
    threads: &Threads,
    control: &mut Control<'_>,
) -> Result<(AnyMetric, Layout, f64)> {
    let mut columns = preparation.columns(data.coords, threads)?;
    let clock = Instant::now();
    let layout = Layout::new(&mut columns, data.coords.nrows(), threads)?;
    let seconds = clock.elapsed().as_secs_f64();
    Ok((preparation.metric(options, data, columns, &layout, threads, control)?, layout, seconds))
}
