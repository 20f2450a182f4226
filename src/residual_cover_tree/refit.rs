//! New parameters over the same points, as a fit asks for every few iterations.
//!
//! V is computed anew, and what depends on it: the balls of the nodes and the index. The nodes themselves, and with them
//! the order of all points in memory, stay as they were arranged: any parameters are searched exactly with them.

use super::ResidualCoverTree;
use super::part::{Common, Ids, Part, REMOVED, simd};
use crate::control::Control;
use crate::data::{Data, Model};
use crate::error::{Error, Result, number, try_with_capacity};
use crate::kernel::Covariance;
use crate::metric::{AnyMetric, Preparation, matrix_view};
use crate::options::Options;
use crate::parallel::Threads;
use crate::stats::{BuildSeconds, LengthscaleCheck};
use std::time::Instant;

impl ResidualCoverTree {
    /// Gives the tree other parameters: those of `options` (of the same metric), and inducing points, or a factor whose
    /// rows are those of the points by id. Inducing points that are absent stay. Ids stay too, and answers are those of
    /// a tree that is built anew.
    ///
    /// O(m^3 + n m^2) for the factor, and what the balls and the index take. Parts become one, without the points that
    /// were removed; that, and another construction or order, takes what building does.
    ///
    /// # Errors
    /// As [`Self::build`]; the tree is then as it was.
    pub fn refit(&mut self, options: &Options, model: &Model<'_>, control: &mut Control<'_>) -> Result<()> {
        options.check()?;
        if options.metric != self.options.metric {
            let (new, old) = (options.metric, self.options.metric);
            return Err(Error::invalid(format!("metric is {new:?}, but the tree was built with {old:?}")));
        }
        if self.preparation.is_given() && model.factor.is_none() && model.inducing.is_none() {
            return Err(Error::invalid("factor is missing: the tree was built with the caller's"));
        }
        let clock = Instant::now();
        let count = |options: &Options| match options.covariance {
            Covariance::Custom(_) => 1,
            Covariance::Stationary(_) => options.threads,
        };
        let other_threads = (count(options) != count(&self.options)).then(|| Threads::new(count(options)));
        let threads = other_threads.as_ref().unwrap_or(&self.threads);

        let same = options.construction == self.options.construction && options.order == self.options.order;
        let kept = self.parts.first().filter(|part| same && part.removed == 0 && self.parts.len() == 1);
        let (gathered, ids) = if kept.is_some() { Default::default() } else { self.coords_by_id()? };
        let coords = match kept {
            Some(part) => part.points().raw_view(),
            None => matrix_view(&gathered, self.preparation.d()),
        };
        let stay = self.preparation.inducing().filter(|_| model.factor.is_none()).map(|inducing| inducing.raw_view());
        let data = Data {
            coords,
            inducing: model.inducing.or(stay),
            factor: model.factor,
            residual_variances: model.residual_variances,
        };
        control.window(0.0, 0.4);
        control.phase(0.0, 1.0);
        let mut preparation = Preparation::new(options, simd(options), &data)?;
        self.check_lengthscales(&preparation)?;
        let rows = kept.map(|part| &part.tree.ids[..]);
        // Of no points there is nothing to compute: those that are inserted later have these parameters.
        let metric = match data.coords.nrows() {
            0 => None,
            _ => Some(preparation.metric(options, &data, rows, threads, control)?),
        };
        let lengthscale = metric.as_ref().map_or(Ok(LengthscaleCheck::Plausible), AnyMetric::lengthscale_check)?;
        let factor = clock.elapsed().as_secs_f64();
        control.window(0.4, 1.0);
        let common = Common { options, preparation: &preparation, threads };
        let part = match (metric, kept) {
            (None, _) => None,
            (Some(metric), Some(part)) => Some(part.renewed(common, self.preparation.scales(), metric, control)?),
            (Some(metric), None) => Some(Part::new(common, metric, Ids::new(ids), control)?),
        };
        if part.is_none() {
            control.step(1.0)?;
        }

        let seconds = |f: fn(&Part) -> f64| part.as_ref().map_or(0.0, f);
        self.seconds =
            BuildSeconds { factor, order: seconds(|part| part.seconds_order), tree: seconds(|part| part.seconds_tree) };
        self.lengthscale = lengthscale;
        self.parts.clear();
        self.parts.extend(part);
        self.preparation = preparation;
        self.options = options.clone();
        if let Some(threads) = other_threads {
            self.threads = threads;
        }
        Ok(())
    }

    /// An error for a coordinate that overflows when it is divided by its lengthscale.
    fn check_lengthscales(&self, preparation: &Preparation) -> Result<()> {
        for part in &self.parts {
            for (position, row) in part.points().raw_view().rows().into_iter().enumerate() {
                for (j, &x) in row.iter().enumerate() {
                    if let Some(what) = preparation.overflow(x, j) {
                        let id = part.id(position as u32);
                        return Err(Error::invalid(format!("coordinate {j} of point {id} is {}, {what}", number(x))));
                    }
                }
            }
        }
        Ok(())
    }

    /// Coordinates as given of all points, row by row, and their ids, ascending.
    pub(super) fn coords_by_id(&self) -> Result<(Vec<f64>, Vec<u32>)> {
        let what = "coordinates";
        let mut coords = try_with_capacity(self.len() * self.preparation.d(), what)?;
        let mut ids = try_with_capacity(self.len(), what)?;
        for part in &self.parts {
            let (points, d) = (part.points(), self.preparation.d());
            for (number, &position) in part.tree.positions.iter().enumerate() {
                if part.numbers()[position as usize] != REMOVED {
                    coords.extend_from_slice(&points.raw_coords[position as usize * d..(position as usize + 1) * d]);
                    ids.push(part.ids.of(number as u32));
                }
            }
        }
        Ok((coords, ids))
    }
}
