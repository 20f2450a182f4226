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
use crate::saved::{Array, Reader, Writer, columns, corrupt, expect_len};
use crate::simd::affine::LANES as REGION;
use crate::simd::cross_gram::LANES as OVERLAP;
use crate::simd::leaf::{COLUMNS, LANES as LEAF};
use crate::simd::spans::LANES;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

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
    columns: SubspaceColumns,
    cross_grams: SavedCrossGrams,
}

columns!(SubspaceColumns of Subspaces(d, count, inverses, coords, sines), "the subspaces" {
    members: u32[], inverses: f64[inverses], coords: f32[coords], sines: f32[sines],
    boxes: f64[count, 2 * d], around: u32[count, NEAREST.min(count)], gaps: u8[count, count]
});

columns!(SavedCoincident of Coincident(count, points, pairs), "points at inducing points" {
    positions: u32[], levels: u8[points, count], pairs: u8[points, pairs]
});

columns!(SavedCrossGrams of CrossGrams(lanes), "the subspaces" {
    starts: u32[], subspaces: u32[], scales: f32[lanes], errors: f32[lanes], products: i8[]
});

#[derive(Serialize, Deserialize)]
struct SavedLeaves {
    median: f64,
    whitened_rows: Array<f64>,
    columns: LeafColumns,
    coincident: SavedCoincident,
    regions: SavedAffineBounds,
    coarse: SavedAffineBounds,
}

columns!(LeafColumns of Leaves(d, count, columns), "the leaves" {
    positions: u32[], starts: u32[count + 1], columns: u32[], values: f32[columns, LEAF],
    middles: f64[count, d], radii: f32[count], coords: f32[count, d, LEAF],
    weights: f32[count, LEAF], tails: f32[count, LEAF], norms: f32[count, LEAF]
});

columns!(SavedAffineBounds of AffineBounds(d, m, count), "the regions" {
    centres: f64[count, d], radii: f32[count], columns: u64[count, m.div_ceil(64)], rows: f32[],
    sizes: f32[count, REGION], tails: f32[count, REGION], lower: f32[count, d, REGION], upper: f32[count, d, REGION],
    weights: f32[count, REGION], norms: f32[count, REGION]
});

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
            coincident: self.coincident.save_columns(writer)?,
            columns: self.save_columns(writer)?,
            cross_grams: self.cross_grams.save_columns(writer)?,
        })
    }

    fn load(saved: SavedSubspaces, points: &Points, reader: &Reader<'_, '_>) -> Result<Subspaces> {
        let what = "the subspaces";
        let (n, d) = (points.n, points.d);
        let (count, members) = (saved.subspaces.len(), saved.columns.members.len());
        let stray = || corrupt("a subspace has a point that does not exist, or that another one has");
        if members > n {
            return Err(stray());
        }
        let mut subspaces = Vec::with_capacity(count);
        let (mut start, mut inverse, mut coords, mut sines, mut pivots) = (0, 0, 0, 0, 0);
        for (rank, size, margins) in saved.subspaces {
            let (rank, size) = (rank as usize, size as usize);
            if rank == 0 || rank > size || size > members - start {
                return Err(corrupt("a subspace has a wrong number of points"));
            }
            subspaces.push(Place { rank, start, count: size, inverse, coords, sines, margins });
            let padded = size.next_multiple_of(LANES);
            start += size;
            pivots += rank;
            inverse += rank * rank;
            coords += rank * padded;
            sines += padded;
        }
        if start != members || count == 0 {
            return Err(corrupt("a point is in no subspace"));
        }
        let mut of = try_vec(n, NO_SUBSPACE, what)?;
        let columns = Subspaces::load_columns(&saved.columns, reader, d, count, inverse, coords, sines)?;
        for (place, c) in subspaces.iter().zip(0..) {
            for &i in &columns.members[place.start..place.start + place.count] {
                match of.get_mut(i as usize) {
                    Some(subspace) if *subspace == NO_SUBSPACE => *subspace = c,
                    _ => return Err(stray()),
                }
            }
        }
        if columns.around.iter().any(|&subspace| subspace as usize >= count) {
            return Err(corrupt("a subspace has a neighbour that does not exist"));
        }
        let offsets = reader.array(&saved.offsets, &[n], what)?;
        let coincident = Coincident::load(&saved.coincident, count, false, reader)?;
        let mut subspaces = Subspaces { of, offsets, subspaces, coincident, pivots, d, ..columns };
        subspaces.cross_grams = CrossGrams::load(&saved.cross_grams, &subspaces, reader)?;
        Ok(subspaces)
    }
}

impl Coincident {
    /// Those of so many subspaces, or leaves, which go with pairs.
    fn load(saved: &SavedCoincident, count: usize, paired: bool, reader: &Reader<'_, '_>) -> Result<Coincident> {
        let points = saved.positions.len();
        let coincident = Coincident::load_columns(saved, reader, count, points, if paired { points } else { 0 })?;
        if !coincident.positions.is_sorted_by(|a, b| a < b) {
            return Err(corrupt("its points at inducing points are in no order"));
        }
        Ok(coincident)
    }
}

impl CrossGrams {
    /// Those of `subspaces`.
    fn load(saved: &SavedCrossGrams, subspaces: &Subspaces, reader: &Reader<'_, '_>) -> Result<CrossGrams> {
        let what = "the subspaces";
        let mut cross_grams = CrossGrams::load_columns(saved, reader, saved.subspaces.len())?;
        let starts = &cross_grams.starts;
        // Of subspaces without cross-Grams there are none.
        let ordered = starts.is_empty() || starts.len() == subspaces.len() + 1 && starts[0] == 0 && starts.is_sorted();
        if !ordered {
            return Err(corrupt("the products of a subspace end before they begin"));
        }
        let groups = starts.last().map_or(0, |&end| end as usize);
        let lanes = checked_area(groups, OVERLAP, what).map_err(corrupt)?;
        expect_len(cross_grams.subspaces.len(), lanes, what)?;
        if cross_grams.subspaces.iter().any(|&c| c != NO_SUBSPACE && c as usize >= subspaces.len()) {
            return Err(corrupt("a subspace has products with one that does not exist"));
        }
        let total = cross_grams.place(|c| subspaces.subspaces[c].rank)?;
        expect_len(cross_grams.products.len(), total, what)?;
        Ok(cross_grams)
    }
}

impl Leaves {
    fn save(&self, writer: &mut Writer<'_, '_>) -> Result<SavedLeaves> {
        Ok(SavedLeaves {
            median: self.inducing.median,
            whitened_rows: writer.array(&self.inducing.rows)?,
            columns: self.save_columns(writer)?,
            coincident: self.coincident.save_columns(writer)?,
            regions: self.regions.save_columns(writer)?,
            coarse: self.coarse.save_columns(writer)?,
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
        let Points { n, d, m, width, .. } = *metric.points();
        let count = saved.columns.positions.len() / LEAF;
        let leaves = Leaves::load_columns(&saved.columns, reader, d, count, saved.columns.columns.len())?;
        let Leaves { positions, starts, columns, .. } = &leaves;
        let mut of = try_vec(n, NEW, what)?;
        for (place, &i) in positions.iter().enumerate().filter(|&(_, &i)| i != NEW) {
            match of.get_mut(i as usize) {
                Some(leaf) if *leaf == NEW => *leaf = (place / LEAF) as u32,
                _ => return Err(corrupt("a leaf has a point that does not exist, or that another one has")),
            }
        }
        let ordered =
            starts.windows(2).all(|ends| ends[0] <= ends[1] && ((ends[1] - ends[0]) as usize).is_multiple_of(COLUMNS));
        let whole = (starts.first(), starts.last()) == (Some(&0), Some(&(columns.len() as u32)));
        if !positions.len().is_multiple_of(LEAF) || count == 0 || !ordered || !whole {
            return Err(corrupt("its leaves do not fit together"));
        }
        if columns.iter().any(|&j| j as usize > m) {
            return Err(corrupt("a leaf has a column that does not exist"));
        }
        // None where no stored point is at an inducing point.
        let rows = if saved.whitened_rows.len() == 0 { 0 } else { m };
        let rows = reader.array(&saved.whitened_rows, &[rows, width], what)?;
        let (regions, m) = (count.div_ceil(REGION), if bounded { m } else { 0 });
        Ok(Leaves {
            inducing: Arc::new(WhitenedRows::with(metric, inducing, rows, saved.median)?),
            d,
            of,
            coincident: Coincident::load(&saved.coincident, count, true, reader)?,
            regions: AffineBounds::load(&saved.regions, (d, m), regions, reader)?,
            coarse: AffineBounds::load(&saved.coarse, (d, m), regions.div_ceil(REGION), reader)?,
            ..leaves
        })
    }
}

impl AffineBounds {
    /// So many regions, of `d` dimensions and `m` columns.
    fn load(
        saved: &SavedAffineBounds,
        (d, m): (usize, usize),
        count: usize,
        reader: &Reader<'_, '_>,
    ) -> Result<AffineBounds> {
        let mut regions = AffineBounds { d, m, ..AffineBounds::load_columns(saved, reader, d, m, count)? };
        let stray = |g: usize| m % 64 > 0 && regions.words(g).last().is_some_and(|word| word >> (m % 64) > 0);
        if (0..count).any(stray) {
            return Err(corrupt("a region has a column that does not exist"));
        }
        regions.find_starts()?;
        expect_len(regions.rows.len(), regions.starts[count], "the regions")?;
        Ok(regions)
    }
}
