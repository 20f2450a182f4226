//! From the caller's arrays to the rows a metric works on: scaled coordinates, V and p. New points have `new_points.rs`.

use super::any::AnyMetric;
use super::candidates::NEW;
use super::correlation::{Correlation, slack_of};
use super::euclidean::Euclidean;
use super::points::Points;
use super::unit::{MOST_ASKED, MOST_STORED, far_away, in_unit, told_from_zero, unit_of_points, unit_of_scaled};
use crate::control::Control;
use crate::data::{Data, check_finite, check_positive, not_finite};
use crate::error::{Error, Result, checked_area, number, try_collect, try_vec, try_with_capacity};
use crate::inducing::{InducingPoints, PointRows, SOLVE_BLOCK};
use crate::kernel::{Covariance, checked_covariances};
use crate::layout::Layout;
use crate::options::{MetricKind, Options};
use crate::parallel::Threads;
use crate::saved::Rows;
use crate::simd::Simd;
use crate::simd::dots::{Dense, dots};
use ndarray::{ArrayView1, ArrayView2};
use std::sync::atomic::{AtomicBool, Ordering};

/// Rows that a thread copies at a time.
const ROWS: usize = 1 << 14;

/// Where V and p come from.
pub(crate) enum FactorSource {
    /// There is none: m = 0.
    None,
    /// Inducing points.
    Inducing(InducingPoints),
    /// The caller, p included or not.
    Given {
        /// Whether the caller gives p too.
        with_variances: bool,
    },
}

/// How points become rows.
pub(crate) struct Preparation {
    pub(super) simd: Simd,
    pub(super) metric: MetricKind,
    pub(super) covariance: Covariance,
    /// Reciprocal lengthscales.
    pub(super) reciprocals: Vec<f64>,
    /// What coordinates are multiplied by: these in the unit.
    pub(super) scales: Vec<f64>,
    /// The power of two that coordinates and distances of the Euclidean metric are multiplied by; 1 of others.
    pub(super) unit: f64,
    /// Number of columns of V.
    pub(super) m: usize,
    pub(super) source: FactorSource,
    /// Least residual variance.
    pub(super) floor: f64,
}

impl Preparation {
    /// Checks the shapes of `data` against the options, and factorises the inducing points.
    pub(crate) fn new(options: &Options, simd: Simd, data: &Data<'_>) -> Result<Self> {
        let (n, d) = data.coords.dim();
        if d == 0 {
            return Err(Error::invalid(format!("coords is {n} x 0; it needs at least one column")));
        }
        let reciprocals = match &options.covariance {
            Covariance::Stationary(kernel) => kernel.scales(d)?,
            Covariance::Custom(_) => try_vec(d, 1.0, "lengthscales")?,
        };
        let residual = options.metric == MetricKind::Residual;
        for (name, given) in [("inducing", data.inducing.is_some()), ("factor", data.factor.is_some())] {
            if given && !residual {
                return Err(Error::invalid(format!("{name} is given, but the metric is not the residual one")));
            }
        }
        if data.inducing.is_some() && data.factor.is_some() {
            return Err(Error::invalid("both inducing and factor are given; give one of them"));
        }
        if data.residual_variances.is_some() && data.factor.is_none() {
            return Err(Error::invalid("residual_variances is given without factor"));
        }
        let unit = match options.metric {
            MetricKind::Euclidean => unit_of_points(data.coords, &reciprocals)?,
            _ => 1.0,
        };
        let mut preparation = Preparation {
            simd,
            metric: options.metric,
            covariance: options.covariance.clone(),
            scales: in_unit(&reciprocals, unit)?,
            reciprocals,
            unit,
            m: 0,
            source: FactorSource::None,
            floor: 0.0,
        };
        if let Covariance::Stationary(kernel) = &options.covariance {
            preparation.floor = checked_floor(options.residual_floor, kernel.variance)?;
        }
        if let Some(z) = data.inducing {
            if z.ncols() != d {
                return Err(Error::invalid(format!("inducing has {} columns but coords has {d}", z.ncols())));
            }
            checked_area(n, z.nrows(), "n x m")?;
            let values = checked_area(z.nrows(), d, "inducing")?;
            let mut coords = try_with_capacity(values, "inducing points")?;
            let mut raw = try_with_capacity(values, "inducing points")?;
            for (i, row) in z.rows().into_iter().enumerate() {
                preparation.append_coords("inducing", z, i, &mut coords, &mut Vec::new())?;
                raw.extend(row);
            }
            if z.nrows() > 0 {
                let rows = PointRows { coords: &coords, raw_coords: &raw, d };
                let inducing = InducingPoints::new(simd, &options.covariance, rows, options.jitter)?;
                preparation.m = inducing.len();
                preparation.source = FactorSource::Inducing(inducing);
            }
        }
        if let Some(factor) = data.factor {
            if factor.nrows() != n {
                return Err(Error::invalid(format!("factor has {} rows but coords has {n}", factor.nrows())));
            }
            checked_area(n, factor.ncols(), "n x m")?;
            if let Some(p) = data.residual_variances
                && p.len() != n
            {
                return Err(Error::invalid(format!(
                    "residual_variances has {} values but coords has {n} rows",
                    p.len()
                )));
            }
            preparation.m = factor.ncols();
            preparation.source = FactorSource::Given { with_variances: data.residual_variances.is_some() };
        }
        Ok(preparation)
    }

    /// Number of columns of V.
    pub(crate) fn m(&self) -> usize {
        self.m
    }

    /// Number of coordinates of a point.
    pub(crate) fn d(&self) -> usize {
        self.scales.len()
    }

    /// What coordinates are multiplied by.
    pub(crate) fn scales(&self) -> &[f64] {
        &self.scales
    }

    /// What distances are multiplied by.
    pub(crate) fn unit(&self) -> f64 {
        self.unit
    }

    /// The scales of the Euclidean distance that a tree over `points` may be shaped with, in a unit of its own.
    pub(crate) fn shape_scales(&self, points: &Points) -> Result<Vec<f64>> {
        in_unit(&self.scales, unit_of_scaled(&points.coords, &self.scales))
    }

    /// Whether the unit is one for these points, too; of coordinates that are not finite, whatever it is.
    pub(crate) fn has_room_for(&self, coords: ArrayView2<'_, f64>) -> bool {
        let fits = |(x, scale): (&f64, &f64)| !x.is_finite() || (x * scale).abs() <= MOST_STORED;
        self.metric != MetricKind::Euclidean
            || coords.rows().into_iter().all(|row| row.iter().zip(&self.scales).all(fits))
    }

    /// Whether V is the caller's.
    pub(crate) fn is_given(&self) -> bool {
        matches!(self.source, FactorSource::Given { .. })
    }

    /// The inducing points, if V comes from them.
    pub(crate) fn inducing(&self) -> Option<&InducingPoints> {
        if let FactorSource::Inducing(inducing) = &self.source { Some(inducing) } else { None }
    }

    /// Bytes held by the inducing points.
    pub(crate) fn bytes(&self) -> usize {
        self.inducing().map_or(0, InducingPoints::bytes)
    }

    /// Scaled coordinates of all rows of `coords`, dimension by dimension, checked.
    pub(crate) fn columns(&self, coords: ArrayView2<'_, f64>, threads: &Threads) -> Result<Vec<f64>> {
        let (n, d) = coords.dim();
        if n >= NEW as usize {
            return Err(Error::invalid(format!("coords has {n} rows; at most {} are supported", NEW - 1)));
        }
        let mut columns = try_vec(checked_area(n, d, "coords")?, 0.0, "coordinates")?;
        let all_fit = AtomicBool::new(true);
        let tasks = columns.chunks_exact_mut(n.max(1)).enumerate().collect();
        threads.run(
            tasks,
            &mut Control::none(),
            || (),
            |(), (j, column)| {
                if !self.scale_column(coords.column(j), j, column) {
                    all_fit.store(false, Ordering::Relaxed);
                }
                Ok(())
            },
        )?;
        if all_fit.into_inner() {
            return Ok(columns);
        }
        // Row by row, for the sake of the error, or of rows that are far away.
        let (mut row, mut spare) = (try_with_capacity(d, "coordinates")?, Vec::new());
        for i in 0..n {
            row.clear();
            spare.clear();
            self.append_coords("coords", coords, i, &mut row, &mut spare)?;
            row.iter().enumerate().for_each(|(j, &x)| columns[j * n + i] = x);
        }
        Ok(columns)
    }

    /// Scales dimension `j`; false where some coordinate needs a closer look.
    fn scale_column(&self, from: ArrayView1<'_, f64>, j: usize, to: &mut [f64]) -> bool {
        let (scale, reciprocal, most) = (self.scales[j], self.reciprocals[j], self.most_lengthscales());
        let euclidean = self.metric == MetricKind::Euclidean;
        let mut fits = true;
        for (to, &x) in to.iter_mut().zip(from) {
            let own = x * scale;
            fits &= x.is_finite() && (x * reciprocal).abs() <= most && own.abs() <= MOST_ASKED;
            *to = if euclidean { told_from_zero(own) } else { own };
        }
        fits
    }

    /// A coordinate may be so many lengthscales.
    fn most_lengthscales(&self) -> f64 {
        match self.metric {
            // No two points are farther apart than twice the root of d times the largest coordinate.
            MetricKind::Euclidean => f64::MAX / (2.0 * (self.reciprocals.len() as f64).sqrt()),
            _ => f64::MAX,
        }
    }

    /// The metric over all points of `data`, whose scaled coordinates are `columns`, in the order of `layout`.
    pub(crate) fn metric(
        &mut self,
        options: &Options,
        data: &Data<'_>,
        columns: Vec<f64>,
        layout: &Layout,
        threads: &Threads,
        control: &mut Control<'_>,
    ) -> Result<AnyMetric> {
        let (n, d) = data.coords.dim();
        let custom = matches!(self.covariance, Covariance::Custom(_));
        let mut points = Points::zeros(n, d, self.m, custom)?;
        points.coords = columns;
        let rows = points.raw_coords.chunks_mut(ROWS * d).zip(layout.numbers.chunks(ROWS)).collect();
        threads.run(
            rows,
            &mut Control::none(),
            || (),
            |(), (to, numbers)| {
                for (to, &number) in to.chunks_exact_mut(d).zip(numbers) {
                    to.iter_mut().zip(data.coords.row(number as usize)).for_each(|(to, &x)| *to = x);
                }
                Ok(())
            },
        )?;
        if self.metric == MetricKind::Euclidean {
            points.variances.fill(1.0);
            points.inverse_sds.fill(1.0);
            return Ok(AnyMetric::Euclidean(Euclidean { simd: self.simd, points }));
        }

        let row = |i: usize| layout.numbers[i] as usize;
        if let Some(factor) = data.factor {
            check_finite("factor", factor)?;
            let width = points.width.max(1);
            for (i, to) in points.factor.own()?.chunks_exact_mut(width).enumerate() {
                to.iter_mut().zip(factor.row(row(i))).for_each(|(to, &from)| *to = from);
            }
        }
        let diagonal = self.diagonal(&points, layout)?;
        let unit = diagonal.iter().copied().fold(0.0, f64::max);
        // Points that are inserted have the floor of those of the build.
        if custom && self.floor == 0.0 {
            self.floor = checked_floor(options.residual_floor, unit)?;
        }
        self.inducing_rows(&mut points, threads, control)?;

        if let Some(p) = data.residual_variances {
            check_positive("residual_variances", p)?;
        }
        let mut proper = true;
        for (i, &variance) in diagonal.iter().enumerate() {
            let explained = squared_norm(self.simd, points.factor_row(i));
            let own = self.variance_left(variance, explained);
            let p = data.residual_variances.map_or(own, |p| p[row(i)]);
            proper &= self.is_residual(variance, explained, p);
            points.variances[i] = p;
        }
        for (isd, p) in points.inverse_sds.iter_mut().zip(&points.variances) {
            *isd = p.sqrt().recip();
        }
        let (simd, covariance) = (self.simd, self.covariance.clone());
        let slack = self.slack();
        Ok(AnyMetric::Correlation(Correlation { simd, points, covariance, sd: unit.sqrt(), slack, proper }))
    }

    /// What scores may be off by.
    pub(super) fn slack(&self) -> f64 {
        slack_of(match (&self.source, &self.covariance) {
            (FactorSource::Inducing(inducing), Covariance::Stationary(kernel)) => {
                Some(inducing.nugget / kernel.variance)
            }
            _ => None,
        })
    }

    /// k(x, x) of every point; errors name the first by number.
    fn diagonal(&self, points: &Points, layout: &Layout) -> Result<Vec<f64>> {
        match &self.covariance {
            Covariance::Stationary(kernel) => try_vec(points.n, kernel.variance, "variances"),
            Covariance::Custom(function) => {
                let mut variances = try_vec(points.n, 0.0, "variances")?;
                for (i, &position) in layout.positions.iter().enumerate() {
                    let x = &points.raw_coords[position as usize * points.d..(position as usize + 1) * points.d];
                    let mut value = [0.0];
                    checked_covariances(function.as_ref(), x, x, &mut value)?;
                    if value[0] <= 0.0 {
                        return Err(Error::invalid(format!(
                            "covariance callback returned {} for point {i} with itself; a variance must be positive",
                            number(value[0])
                        )));
                    }
                    variances[position as usize] = value[0];
                }
                Ok(variances)
            }
        }
    }

    /// The residual variance that V leaves of a variance.
    pub(super) fn variance_left(&self, variance: f64, explained: f64) -> f64 {
        (variance - explained).max(self.floor)
    }

    /// Whether `p` can be the variance of a residual and of an independent part: V explains no more than there is,
    /// and p is no less than what V leaves.
    pub(super) fn is_residual(&self, variance: f64, explained: f64, p: f64) -> bool {
        let left = self.variance_left(variance, explained);
        variance - explained >= -1e-9 * variance && (left <= p * (1.0 + 1e-9) || left <= self.floor)
    }

    /// Fills in V from the inducing points, if there are any; O(n m^2), in parallel.
    fn inducing_rows(&self, points: &mut Points, threads: &Threads, control: &mut Control<'_>) -> Result<()> {
        let FactorSource::Inducing(inducing) = &self.source else { return control.step(1.0) };
        let (n, d, width) = (points.n, points.d, points.width);
        let mut factor = std::mem::take(points.factor.own()?);
        let tasks = try_collect(factor.chunks_mut(SOLVE_BLOCK * width).enumerate().map(Ok), "the factor V")?;
        let this = &*points;
        threads.run(
            tasks,
            control,
            || (Vec::new(), Vec::new()),
            |(coords, block), (task, out)| {
                let range = task * SOLVE_BLOCK..((task + 1) * SOLVE_BLOCK).min(n);
                coords.clear();
                for i in range.clone() {
                    coords.extend((0..d).map(|j| this.coord(i, j)));
                }
                let raw = if this.custom { &this.raw_coords[range.start * d..range.end * d] } else { &[][..] };
                let rows = PointRows { coords, raw_coords: raw, d };
                inducing.factor_rows(self.simd, &self.covariance, rows, block, out)
            },
        )?;
        points.factor = Rows::Own(factor);
        Ok(())
    }

    /// Of `values` coordinates, how many are kept as given: all where a custom covariance needs them, else none.
    pub(super) fn raw_values(&self, values: usize) -> usize {
        if matches!(self.covariance, Covariance::Custom(_)) { values } else { 0 }
    }

    /// Appends row `i` of `matrix`, scaled, to `scaled`, and as given to `raw` where a custom covariance needs it. Returns the
    /// row's unit: another than the tree's where it is far from all points that are stored.
    pub(super) fn append_coords(
        &self,
        name: &str,
        matrix: ArrayView2<'_, f64>,
        i: usize,
        scaled: &mut Vec<f64>,
        raw: &mut Vec<f64>,
    ) -> Result<f64> {
        let (custom, euclidean) =
            (matches!(self.covariance, Covariance::Custom(_)), self.metric == MetricKind::Euclidean);
        let (start, mut far) = (scaled.len(), false);
        for (j, &scale) in self.scales.iter().enumerate() {
            let x = matrix[[i, j]];
            if !x.is_finite() {
                return Err(not_finite(name, i, Some(j), x));
            }
            if let Some(what) = self.overflow(x, j) {
                return Err(Error::invalid(format!("{name}[{i}, {j}] is {}, {what}", number(x))));
            }
            let own = x * scale;
            far |= own.abs() > MOST_ASKED;
            scaled.push(if euclidean { told_from_zero(own) } else { own });
            if custom {
                raw.push(x);
            }
        }
        if euclidean && far {
            return Ok(far_away(matrix.row(i).into_iter().copied(), &self.reciprocals, &mut scaled[start..]));
        }
        Ok(self.unit)
    }

    /// What is wrong with `x` as a coordinate along dimension `j`, which is too large for its lengthscale.
    pub(crate) fn overflow(&self, x: f64, j: usize) -> Option<&'static str> {
        match (x * self.reciprocals[j]).abs() {
            size if size.is_infinite() => Some("which overflows when divided by its lengthscale"),
            size if size > self.most_lengthscales() => Some("which is so many lengthscales that distances overflow"),
            _ => None,
        }
    }
}

/// The least residual variance, or an error where correlations could not be divided by it.
fn checked_floor(floor: f64, variance: f64) -> Result<f64> {
    let least = floor * variance;
    if least.recip().is_infinite() {
        return Err(Error::invalid(format!(
            "residual_floor is {}; times the variance {} it is {}, too small to divide by",
            number(floor),
            number(variance),
            number(least)
        )));
    }
    Ok(least)
}

/// V.V of a row, by the sum that scores use: a duplicate is then at distance 0, or next to it.
pub(super) fn squared_norm(simd: Simd, row: &[f64]) -> f64 {
    let mut out = [0.0];
    let row = Dense { data: row, width: row.len(), len: 1 };
    dots(simd, row, row, &mut out);
    out[0]
}
