//! How a tree is built: metric, order, tree, balls, index.

use super::ResidualCoverTree;
use crate::control::Control;
use crate::data::Data;
use crate::error::{Result, try_collect, try_vec, try_with_capacity};
use crate::kernel::Covariance;
use crate::metric::{AnyMetric, Euclidean, Metric, Points, Preparation, check_symmetry, is_covariance};
use crate::options::{Construction, Options, TreeOrder};
use crate::ordering::hilbert::HilbertFrame;
use crate::parallel::Threads;
use crate::search::{Blocks, Certificates, IndexSource, least_keys};
use crate::simd::Simd;
use crate::stats::BuildSeconds;
use crate::tree::{CoverTree, build_net, node_balls};
use arc_swap::ArcSwap;
use ndarray::{ArrayView2, ShapeBuilder};
use std::time::Instant;

impl ResidualCoverTree {
    /// Builds a tree over the rows of `data.coords`.
    ///
    /// O(m^3 + n m^2) for the factor; the tree takes at most n^2 / 2 and usually far fewer evaluations of O(m).
    ///
    /// # Errors
    /// Wrong shapes or options, values that are not finite, an inducing covariance that is not positive definite,
    /// memory, cancellation; nothing is left behind.
    pub fn build(options: &Options, data: &Data<'_>, control: &mut Control<'_>) -> Result<Self> {
        options.check()?;
        let clock = Instant::now();
        let simd = if options.portable_simd { Simd::Portable } else { Simd::detect() };
        let custom = matches!(options.covariance, Covariance::Custom(_));
        let threads = Threads::new(if custom { 1 } else { options.threads });
        control.phase(0.0, 0.3);
        let mut preparation = Preparation::new(options, simd, data)?;
        let mut metric = preparation.metric(options, data, &threads, control)?;
        let seconds_factor = clock.elapsed().as_secs_f64();

        let clock = Instant::now();
        control.phase(0.3, 0.75);
        let points = with_metric!(&metric, m => m.points());
        let n = points.n;
        let frame = HilbertFrame::new(scaled_view(points))?;
        let mut row = try_vec(points.d, 0.0, "a point")?;
        let mut keys = try_with_capacity(n, "the order")?;
        for i in 0..n {
            row.iter_mut().enumerate().for_each(|(j, x)| *x = points.coord(i, j));
            keys.push((frame.key(&row), i as u32));
        }
        keys.sort_unstable();
        let along: Vec<u32> = try_collect(keys.iter().map(|&(_, id)| Ok(id)), "the order")?;
        let mut places = try_vec(n, 0, "the order")?;
        along.iter().enumerate().for_each(|(place, &id)| places[id as usize] = place as u32);
        let seconds_order = clock.elapsed().as_secs_f64();

        let clock = Instant::now();
        let mut proper = true;
        if let AnyMetric::Correlation(correlation) = &mut metric {
            check_symmetry(correlation, &along)?;
            if data.factor.is_some() || custom {
                correlation.proper = correlation.proper && is_covariance(correlation, &along, data.factor.is_some())?;
            }
            proper = correlation.is_metric();
        }
        let natural: Vec<u32>;
        let order = match options.order {
            TreeOrder::Hilbert => &along,
            TreeOrder::Natural => {
                natural = try_collect((0..n as u32).map(Ok), "the order")?;
                &natural
            }
        };
        let euclidean = shape_metric(options, proper, simd, &metric);
        let net = match &euclidean {
            Some(euclidean) => build_net(euclidean, order, &along, &threads, control)?,
            None => with_metric!(&metric, m => build_net(m, order, &along, &threads, control)?),
        };
        let mut build_evaluations = net.evaluations;
        let mut tree = CoverTree::pack(net, &places)?;
        with_metric!(&mut metric, m => m.points_mut().reorder(&tree.ids)?);
        let at = |(key, id): (u128, u32)| Ok((key, tree.positions[id as usize]));
        let curve = try_collect(keys.into_iter().map(at), "the order")?;
        control.phase(0.75, 0.8);
        let (balls, evaluations) = with_metric!(&metric, m => node_balls(m, &tree, &threads, control)?);
        tree.balls = balls;
        build_evaluations += evaluations;
        control.phase(0.8, 1.0);
        let blocks = with_metric!(&metric, m => Blocks::new(m.points(), &tree)?);
        let source = IndexSource::default();
        let all = try_collect((0..n as u32).map(Ok), "the index")?;
        let index = source.index(&metric, &options.covariance, preparation.inducing(), all, &threads, control)?;
        build_evaluations += index.evaluations;
        let largest_weight = with_metric!(&metric, m => {
            m.points().inverse_sds.iter().map(|&isd| m.weight(isd)).fold(0.0, f64::max)
        });
        let least_ids = least_keys(&tree, &tree.ids);
        control.step(1.0)?;
        let seconds_tree = clock.elapsed().as_secs_f64();
        Ok(ResidualCoverTree {
            options: options.clone(),
            threads,
            preparation,
            metric,
            tree,
            blocks,
            index,
            source,
            largest_weight,
            least_ids,
            frame,
            curve,
            build_evaluations,
            seconds: BuildSeconds { factor: seconds_factor, order: seconds_order, tree: seconds_tree },
            proper,
            last_search: ArcSwap::default(),
            certificates: Certificates::ALL,
        })
    }
}

/// The Euclidean metric that shapes a hybrid tree (or one whose own metric's bounds do not hold), if it does.
pub(super) fn shape_metric(options: &Options, proper: bool, simd: Simd, metric: &AnyMetric) -> Option<Euclidean> {
    match metric {
        AnyMetric::Correlation(correlation) if options.construction == Construction::Hybrid || !proper => {
            Some(Euclidean { simd, points: correlation.points.coordinates_only() })
        }
        _ => None,
    }
}

/// Scaled coordinates as an n x d view.
fn scaled_view(points: &Points) -> ArrayView2<'_, f64> {
    let shape = (points.n, points.d).strides((1, points.n));
    ArrayView2::from_shape(shape, &points.coords)
        .unwrap_or_else(|_| ArrayView2::from_shape((0, 0), &[]).expect("empty"))
}
