//! New parameters over the same points, as a fit asks for every few iterations.
//!
//! All is made anew but the nodes of the cover tree, which stay as they are where there are some, with other balls: any parameters
//! are searched exactly with them.

use super::build::laid_out;
use super::part::{Common, Ids, Part, simd};
use super::tree::ResidualCoverTree;
use crate::control::Control;
use crate::data::{Data, Model};
use crate::error::{Error, Result, number, try_with_capacity};
use crate::kernel::Covariance;
use crate::metric::{Preparation, matrix_view};
use crate::options::Options;
use crate::parallel::Threads;
use crate::stats::{BuildSeconds, LengthscaleCheck};
use std::time::Instant;

impl ResidualCoverTree {
    /// Gives the tree other parameters: those of `options` (of the same metric), and inducing points, or a factor whose
    /// rows are those of the points by id. Inducing points that are absent stay. Ids stay too, and answers are those of
    /// a tree that is built anew.
    ///
    /// Takes what building does; parts become one, without the points that were removed. The nodes of the cover tree, where there are
    /// some, stay: but not of several parts, after removals, or for another construction or order.
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
        let whole = self.parts.first().filter(|part| same && part.removed == 0 && self.parts.len() == 1);
        let kept = whole.and_then(|part| part.nodes.get());
        let (gathered, ids) = self.coords_by_id()?;
        let coords = matrix_view(&gathered, self.preparation.d());
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
        // Of no points there is nothing to compute: those that are inserted later have these parameters.
        let metric = match data.coords.nrows() {
            0 => None,
            _ => Some(laid_out(&mut preparation, options, &data, threads, control)?),
        };
        let lengthscale = match &metric {
            Some((metric, ..)) => metric.lengthscale_check()?,
            None => LengthscaleCheck::Plausible,
        };
        let order = metric.as_ref().map_or(0.0, |&(.., seconds)| seconds);
        let factor = clock.elapsed().as_secs_f64() - order;
        control.window(0.4, 1.0);
        let common = Common { options, preparation: &preparation, threads };
        let kept = kept.as_ref().map(|nodes| (&**nodes, self.preparation.scales()));
        let part = match metric {
            None => None,
            Some((metric, layout, _)) => Some(Part::new(common, metric, layout, Ids::new(ids), kept, control)?),
        };
        if part.is_none() {
            control.step(1.0)?;
        }

        let tree = part.as_ref().map_or(0.0, |part| part.seconds_tree);
        self.seconds = BuildSeconds { factor, order, tree };
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
            for (number, position) in part.live_points() {
                coords.extend_from_slice(&points.raw_coords[position as usize * d..(position as usize + 1) * d]);
                ids.push(part.ids.of(number));
            }
        }
        Ok((coords, ids))
    }
}
