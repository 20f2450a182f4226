//! The index of a saved tree: every number that a search uses as a place is checked, the others have checksums.

use super::affine_bounds::AffineBounds;
use super::coincident::Coincident;
use super::cross_grams::CrossGrams;
use super::index::{Index, IndexSource};
use super::leaves::Leaves;
use super::plan::Plan;
use super::subspace::{Margins, NO_SUBSPACE};
use super::subspaces::{NEAREST, Place, Subspaces};
use super::whitened_rows::WhitenedRows;
use crate::error::{Result, checked_area, try_vec};
use crate::inducing::InducingPoints;
use crate::metric::{AnyMetric, Correlation, Metric, NEW, Points};
use crate::saved::{Array, Reader, Writer, corrupt};
use crate::simd::affine::LANES as REGION;
use crate::simd::cross_gram::LANES as OVERLAP;
use crate::simd::leaf::{COLUMNS, LANES as LEAF};
use crate::simd::spans::LANES;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The arrays of a struct, named once: what of it is saved, how, and the bytes that they hold.
macro_rules! columns {
    ($saved:ident of $owner:ident { $($column:ident: $value:ty),+ }) => {
        #[derive(Serialize, Deserialize)]
        struct $saved {
            $($column: Array<$value>),+
        }

        impl $owner {
            fn save(&self, writer: &mut Writer<'_, '_>) -> Result<$saved> {
                Ok($saved { $($column: writer.array(&self.$column)?),+ })
            }

            /// Bytes that the saved arrays hold.
            pub(super) fn column_bytes(&self) -> usize {
                [$(size_of_val(&self.$column[..])),+].iter().sum()
            }
        }
    };
}

/// Subspaces and leaves, either of which may be absent.
#[derive(Serialize, Deserialize)]
pub(crate) struct SavedIndex {
    plan: Plan,
    subspaces: Option<SavedSubspaces>,
    leaves: Option<SavedLeaves>,
    evaluations: u64,
}

#[derive(Serialize, Deserialize)]
struct SavedSubspaces {
    offsets: Array<f32>,
    /// Rank, number of members and margins of each subspace.
    subspaces: Vec<(u32, u32, Margins)>,
    coincident: SavedCoincident,
    members: Array<u32>,
    inverses: Array<f64>,
    coords: Array<f32>,
    sines: Array<f32>,
    boxes: Array<f64>,
    around: Array<u32>,
    gaps: Array<u8>,
    cross_grams: SavedCrossGrams,
}

columns!(SavedCoincident of Coincident { positions: u32, levels: u8, pairs: u8 });

columns!(SavedCrossGrams of CrossGrams { starts: u32, subspaces: u32, scales: f32, errors: f32, products: i8 });

#[derive(Serialize, Deserialize)]
struct SavedLeaves {
    median: f64,
    whitened_rows: Array<f64>,
    positions: Array<u32>,
    starts: Array<u32>,
    columns: Array<u32>,
    values: Array<f32>,
    middles: Array<f64>,
    radii: Array<f32>,
    coords: Array<f32>,
    weights: Array<f32>,
    tails: Array<f32>,
    norms: Array<f32>,
    coincident: SavedCoincident,
    regions: SavedAffineBounds,
    coarse: SavedAffineBounds,
}

columns!(SavedAffineBounds of AffineBounds { centres: f64, radii: f32, columns: u64, rows: f32, sizes: f32, tails: f32, lower: f32, upper: f32, weights: f32, norms: f32 });

impl Index {
    pub(crate) fn save(&self, writer: &mut Writer<'_, '_>) -> Result<SavedIndex> {
        Ok(SavedIndex {
            plan: self.plan,
            subspaces: self.subspaces.as_ref().map(|subspaces| subspaces.save(writer)).transpose()?,
            leaves: self.leaves.as_ref().map(|leaves| leaves.save(writer)).transpose()?,
            evaluations: self.evaluations,
        })
    }

    /// The index, and what indices over prefixes are built from.
    pub(crate) fn load(
        saved: SavedIndex,
        metric: &AnyMetric,
        inducing: Option<&InducingPoints>,
        reader: &Reader<'_, '_>,
    ) -> Result<(Index, IndexSource)> {
        let mut index = Index { plan: saved.plan, evaluations: saved.evaluations, ..Index::default() };
        let mut source = IndexSource::default();
        match metric {
            AnyMetric::Correlation(metric) => {
                index.subspaces =
                    saved.subspaces.map(|subspaces| Subspaces::load(subspaces, metric.points(), reader)).transpose()?;
                let bounded = index.subspaces.is_none();
                let leaves = saved.leaves.map(|leaves| Leaves::load(leaves, metric, inducing, bounded, reader));
                index.leaves = leaves.transpose()?;
            }
            AnyMetric::Euclidean(_) if saved.subspaces.is_some() || saved.leaves.is_some() => {
                return Err(corrupt("it has an index that its metric has no use for"));
            }
            AnyMetric::Euclidean(_) => {}
        }
        if let (Some(subspaces), Some(leaves)) = (&index.subspaces, &index.leaves)
            && subspaces.members.len().div_ceil(LEAF) != leaves.len()
        {
            return Err(corrupt("its subspaces and its leaves have not as many points"));
        }
        if let Some(leaves) = &index.leaves {
            source = IndexSource::with(leaves.inducing.clone());
        }
        Ok((index, source))
    }
}

impl Subspaces {
    fn save(&self, writer: &mut Writer<'_, '_>) -> Result<SavedSubspaces> {
        let place = |place: &Place| (place.rank as u32, place.count as u32, place.margins);
        Ok(SavedSubspaces {
            offsets: writer.array(&self.offsets)?,
            subspaces: self.subspaces.iter().map(place).collect(),
            coincident: self.coincident.save(writer)?,
            members: writer.array(&self.members)?,
            inverses: writer.array(&self.inverses)?,
            coords: writer.array(&self.coords)?,
            sines: writer.array(&self.sines)?,
            boxes: writer.array(&self.boxes)?,
            around: writer.array(&self.around)?,
            gaps: writer.array(&self.gaps)?,
            cross_grams: self.cross_grams.save(writer)?,
        })
    }

    fn load(saved: SavedSubspaces, points: &Points, reader: &Reader<'_, '_>) -> Result<Subspaces> {
        let what = "the subspaces";
        let (n, d) = (points.n, points.d);
        let count = saved.subspaces.len();
        let members = reader.array(&saved.members, what)?;
        let mut of = try_vec(n, NO_SUBSPACE, what)?;
        let mut subspaces = Vec::with_capacity(count);
        let (mut start, mut inverse, mut coords, mut sines, mut pivots) = (0, 0, 0, 0, 0);
        for (c, (rank, size, margins)) in saved.subspaces.into_iter().enumerate() {
            let (rank, size) = (rank as usize, size as usize);
            if rank == 0 || rank > size || size > members.len() - start {
                return Err(corrupt("a subspace has a wrong number of points"));
            }
            subspaces.push(Place { rank, start, count: size, inverse, coords, sines, margins });
            for &i in &members[start..start + size] {
                match of.get_mut(i as usize) {
                    Some(subspace) if *subspace == NO_SUBSPACE => *subspace = c as u32,
                    _ => return Err(corrupt("a subspace has a point that does not exist, or that another one has")),
                }
            }
            let padded = size.next_multiple_of(LANES);
            start += size;
            pivots += rank;
            inverse += rank * rank;
            coords += rank * padded;
            sines += padded;
        }
        if start != members.len() || count == 0 {
            return Err(corrupt("a point is in no subspace"));
        }
        let area = |a: usize, b: usize| checked_area(a, b, what).map_err(corrupt);
        let around = reader.exactly(&saved.around, area(count, NEAREST.min(count))?, what)?;
        if around.iter().any(|&subspace| subspace as usize >= count) {
            return Err(corrupt("a subspace has a neighbour that does not exist"));
        }
        let mut subspaces = Subspaces {
            of,
            offsets: reader.exactly(&saved.offsets, n, what)?,
            subspaces,
            coincident: Coincident::load(saved.coincident, count, false, reader)?,
            pivots,
            members,
            inverses: reader.exactly(&saved.inverses, inverse, what)?,
            coords: reader.exactly(&saved.coords, coords, what)?,
            sines: reader.exactly(&saved.sines, sines, what)?,
            boxes: reader.exactly(&saved.boxes, area(count, 2 * d)?, what)?,
            d,
            around,
            gaps: reader.exactly(&saved.gaps, area(count, count)?, what)?,
            cross_grams: CrossGrams::default(),
        };
        subspaces.cross_grams = CrossGrams::load(saved.cross_grams, &subspaces, reader)?;
        Ok(subspaces)
    }
}

impl Coincident {
    /// Those of so many subspaces, or leaves, which go with pairs.
    fn load(saved: SavedCoincident, count: usize, paired: bool, reader: &Reader<'_, '_>) -> Result<Coincident> {
        let what = "points at inducing points";
        let positions: Vec<u32> = reader.array(&saved.positions, what)?;
        if !positions.is_sorted_by(|a, b| a < b) {
            return Err(corrupt("its points at inducing points are in no order"));
        }
        let area = |a: usize, b: usize| checked_area(a, b, what).map_err(corrupt);
        let pairs = if paired { area(positions.len(), positions.len())? } else { 0 };
        Ok(Coincident {
            levels: reader.exactly(&saved.levels, area(positions.len(), count)?, what)?,
            pairs: reader.exactly(&saved.pairs, pairs, what)?,
            positions,
        })
    }
}

impl CrossGrams {
    /// Those of `subspaces`.
    fn load(saved: SavedCrossGrams, subspaces: &Subspaces, reader: &Reader<'_, '_>) -> Result<CrossGrams> {
        let what = "the subspaces";
        let starts = reader.array(&saved.starts, what)?;
        // Of subspaces without cross-Grams there are none.
        let ordered =
            starts.is_empty() || starts.len() == subspaces.subspaces.len() + 1 && starts[0] == 0 && starts.is_sorted();
        if !ordered {
            return Err(corrupt("the products of a subspace end before they begin"));
        }
        let groups = starts.last().map_or(0, |&end| end as usize);
        let lanes = checked_area(groups, OVERLAP, what).map_err(corrupt)?;
        let mut cross_grams = CrossGrams {
            starts,
            subspaces: reader.exactly(&saved.subspaces, lanes, what)?,
            scales: reader.exactly(&saved.scales, lanes, what)?,
            errors: reader.exactly(&saved.errors, lanes, what)?,
            ..CrossGrams::default()
        };
        if cross_grams.subspaces.iter().any(|&c| c != NO_SUBSPACE && c as usize >= subspaces.len()) {
            return Err(corrupt("a subspace has products with one that does not exist"));
        }
        let total = cross_grams.place(|c| subspaces.subspaces[c].rank)?;
        cross_grams.products = reader.exactly(&saved.products, total, what)?;
        Ok(cross_grams)
    }
}

impl Leaves {
    fn save(&self, writer: &mut Writer<'_, '_>) -> Result<SavedLeaves> {
        Ok(SavedLeaves {
            median: self.inducing.median,
            whitened_rows: writer.array(&self.inducing.rows)?,
            positions: writer.array(&self.positions)?,
            starts: writer.array(&self.starts)?,
            columns: writer.array(&self.columns)?,
            values: writer.array(&self.values)?,
            middles: writer.array(&self.middles)?,
            radii: writer.array(&self.radii)?,
            coords: writer.array(&self.coords)?,
            weights: writer.array(&self.weights)?,
            tails: writer.array(&self.tails)?,
            norms: writer.array(&self.norms)?,
            coincident: self.coincident.save(writer)?,
            regions: self.regions.save(writer)?,
            coarse: self.coarse.save(writer)?,
        })
    }

    fn load(
        saved: SavedLeaves,
        metric: &Correlation,
        inducing: Option<&InducingPoints>,
        bounded: bool,
        reader: &Reader<'_, '_>,
    ) -> Result<Leaves> {
        let what = "the leaves";
        let area = |a: usize, b: usize| checked_area(a, b, what).map_err(corrupt);
        let Points { n, d, m, width, .. } = *metric.points();
        let positions: Vec<u32> = reader.array(&saved.positions, what)?;
        let count = positions.len() / LEAF;
        let mut of = try_vec(n, NEW, what)?;
        for (place, &i) in positions.iter().enumerate().filter(|&(_, &i)| i != NEW) {
            match of.get_mut(i as usize) {
                Some(leaf) if *leaf == NEW => *leaf = (place / LEAF) as u32,
                _ => return Err(corrupt("a leaf has a point that does not exist, or that another one has")),
            }
        }
        let starts = reader.exactly(&saved.starts, count + 1, what)?;
        let columns: Vec<u32> = reader.array(&saved.columns, what)?;
        let ordered =
            starts.windows(2).all(|ends| ends[0] <= ends[1] && ((ends[1] - ends[0]) as usize).is_multiple_of(COLUMNS));
        let whole = (starts.first(), starts.last()) == (Some(&0), Some(&(columns.len() as u32)));
        let (regions, bounded) = (count.div_ceil(REGION), if bounded { m } else { 0 });
        if !positions.len().is_multiple_of(LEAF) || count == 0 || !ordered || !whole {
            return Err(corrupt("its leaves do not fit together"));
        }
        if columns.iter().any(|&j| j as usize > m) {
            return Err(corrupt("a leaf has a column that does not exist"));
        }
        let mut rows: Vec<f64> = reader.array(&saved.whitened_rows, what)?;
        if !rows.is_empty() {
            rows = reader.exactly(&saved.whitened_rows, area(m, width)?, what)?;
        }
        let shared = WhitenedRows::with(metric, inducing, rows, saved.median)?;
        Ok(Leaves {
            made: Default::default(),
            inducing: Arc::new(shared),
            d,
            of,
            values: reader.exactly(&saved.values, area(columns.len(), LEAF)?, what)?,
            middles: reader.exactly(&saved.middles, area(count, d)?, what)?,
            radii: reader.exactly(&saved.radii, count, what)?,
            coords: reader.exactly(&saved.coords, area(count, d * LEAF)?, what)?,
            weights: reader.exactly(&saved.weights, positions.len(), what)?,
            tails: reader.exactly(&saved.tails, positions.len(), what)?,
            norms: reader.exactly(&saved.norms, positions.len(), what)?,
            coincident: Coincident::load(saved.coincident, count, true, reader)?,
            regions: AffineBounds::load(saved.regions, regions, (d, bounded), reader)?,
            coarse: AffineBounds::load(saved.coarse, regions.div_ceil(REGION), (d, bounded), reader)?,
            positions,
            starts,
            columns,
        })
    }
}

impl AffineBounds {
    /// So many regions, of `d` dimensions and `m` columns.
    fn load(
        saved: SavedAffineBounds,
        count: usize,
        (d, m): (usize, usize),
        reader: &Reader<'_, '_>,
    ) -> Result<AffineBounds> {
        let what = "the regions";
        let area = |a: usize, b: usize| checked_area(a, b, what).map_err(corrupt);
        let (words, corners) = (area(count, m.div_ceil(64))?, area(count, area(d, REGION)?)?);
        let mut regions = AffineBounds {
            d,
            m,
            centres: reader.exactly(&saved.centres, area(count, d)?, what)?,
            radii: reader.exactly(&saved.radii, count, what)?,
            columns: reader.exactly(&saved.columns, words, what)?,
            rows: Vec::new(),
            sizes: reader.exactly(&saved.sizes, count * REGION, what)?,
            tails: reader.exactly(&saved.tails, count * REGION, what)?,
            lower: reader.exactly(&saved.lower, corners, what)?,
            upper: reader.exactly(&saved.upper, corners, what)?,
            weights: reader.exactly(&saved.weights, count * REGION, what)?,
            norms: reader.exactly(&saved.norms, count * REGION, what)?,
            starts: Vec::new(),
        };
        let stray = |g: usize| m % 64 > 0 && regions.words(g).last().is_some_and(|word| word >> (m % 64) > 0);
        if (0..count).any(stray) {
            return Err(corrupt("a region has a column that does not exist"));
        }
        regions.find_starts()?;
        regions.rows = reader.exactly(&saved.rows, regions.starts[count], what)?;
        Ok(regions)
    }
}
