//! The index of a saved tree: every number that a search uses as a place is checked, the others have checksums.

use super::at_inducing::AtInducing;
use super::cell::{Margins, NO_CELL};
use super::cells::{Cells, NEAREST, Place};
use super::index::{Index, IndexSource};
use super::inducing_rows::InducingRows;
use super::overlaps::Overlaps;
use super::panels::Panels;
use super::plan::Plan;
use super::regions::Regions;
use crate::error::{Result, checked_area, try_vec};
use crate::inducing::InducingPoints;
use crate::metric::{AnyMetric, Correlation, Metric, NEW, Points};
use crate::saved::{Array, Reader, Writer, corrupt};
use crate::simd::overlap::LANES as OVERLAP;
use crate::simd::panel::{COLUMNS, LANES as PANEL};
use crate::simd::region::LANES as REGION;
use crate::simd::spans::LANES;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Cells and panels, either of which may be absent.
#[derive(Serialize, Deserialize)]
pub(crate) struct SavedIndex {
    plan: Plan,
    cells: Option<SavedCells>,
    panels: Option<SavedPanels>,
    evaluations: u64,
}

#[derive(Serialize, Deserialize)]
struct SavedCells {
    offsets: Array<f32>,
    /// Rank, number of members and margins of each cell.
    cells: Vec<(u32, u32, Margins)>,
    at_inducing: SavedAtInducing,
    members: Array<u32>,
    inverses: Array<f64>,
    coords: Array<f32>,
    sines: Array<f32>,
    boxes: Array<f64>,
    around: Array<u32>,
    gaps: Array<u8>,
    overlaps: SavedOverlaps,
}

#[derive(Serialize, Deserialize)]
struct SavedAtInducing {
    positions: Array<u32>,
    levels: Array<u8>,
    pairs: Array<u8>,
}

#[derive(Serialize, Deserialize)]
struct SavedOverlaps {
    starts: Array<u32>,
    cells: Array<u32>,
    scales: Array<f32>,
    errors: Array<f32>,
    products: Array<i8>,
}

#[derive(Serialize, Deserialize)]
struct SavedPanels {
    median: f64,
    inducing_rows: Array<f64>,
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
    at_inducing: SavedAtInducing,
    regions: SavedRegions,
    coarse: SavedRegions,
}

#[derive(Serialize, Deserialize)]
struct SavedRegions {
    centres: Array<f64>,
    radii: Array<f32>,
    columns: Array<u64>,
    rows: Array<f32>,
    sizes: Array<f32>,
    tails: Array<f32>,
    lower: Array<f32>,
    upper: Array<f32>,
    weights: Array<f32>,
    norms: Array<f32>,
}

impl Index {
    pub(crate) fn save(&self, writer: &mut Writer<'_, '_>) -> Result<SavedIndex> {
        Ok(SavedIndex {
            plan: self.plan,
            cells: self.cells.as_ref().map(|cells| cells.save(writer)).transpose()?,
            panels: self.panels.as_ref().map(|panels| panels.save(writer)).transpose()?,
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
                index.cells = saved.cells.map(|cells| Cells::load(cells, metric.points(), reader)).transpose()?;
                let bounded = index.cells.is_none();
                let panels = saved.panels.map(|panels| Panels::load(panels, metric, inducing, bounded, reader));
                index.panels = panels.transpose()?;
            }
            AnyMetric::Euclidean(_) if saved.cells.is_some() || saved.panels.is_some() => {
                return Err(corrupt("it has an index that its metric has no use for"));
            }
            AnyMetric::Euclidean(_) => {}
        }
        if let (Some(cells), Some(panels)) = (&index.cells, &index.panels)
            && cells.members.len().div_ceil(PANEL) != panels.len()
        {
            return Err(corrupt("its cells and its panels have not as many points"));
        }
        if let Some(panels) = &index.panels {
            source = IndexSource::with(panels.inducing.clone());
        }
        Ok((index, source))
    }
}

impl Cells {
    fn save(&self, writer: &mut Writer<'_, '_>) -> Result<SavedCells> {
        let place = |place: &Place| (place.rank as u32, place.count as u32, place.margins);
        Ok(SavedCells {
            offsets: writer.array(&self.offsets)?,
            cells: self.cells.iter().map(place).collect(),
            at_inducing: self.at_inducing.save(writer)?,
            members: writer.array(&self.members)?,
            inverses: writer.array(&self.inverses)?,
            coords: writer.array(&self.coords)?,
            sines: writer.array(&self.sines)?,
            boxes: writer.array(&self.boxes)?,
            around: writer.array(&self.around)?,
            gaps: writer.array(&self.gaps)?,
            overlaps: self.overlaps.save(writer)?,
        })
    }

    fn load(saved: SavedCells, points: &Points, reader: &Reader<'_, '_>) -> Result<Cells> {
        let what = "the cells";
        let (n, d) = (points.n, points.d);
        let count = saved.cells.len();
        let members = reader.array(&saved.members, what)?;
        let mut of = try_vec(n, NO_CELL, what)?;
        let mut cells = Vec::with_capacity(count);
        let (mut start, mut inverse, mut coords, mut sines, mut pivots) = (0, 0, 0, 0, 0);
        for (c, (rank, size, margins)) in saved.cells.into_iter().enumerate() {
            let (rank, size) = (rank as usize, size as usize);
            if rank == 0 || rank > size || size > members.len() - start {
                return Err(corrupt("a cell has a wrong number of points"));
            }
            cells.push(Place { rank, start, count: size, inverse, coords, sines, margins });
            for &i in &members[start..start + size] {
                match of.get_mut(i as usize) {
                    Some(cell) if *cell == NO_CELL => *cell = c as u32,
                    _ => return Err(corrupt("a cell has a point that does not exist, or that another one has")),
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
            return Err(corrupt("a point is in no cell"));
        }
        let area = |a: usize, b: usize| checked_area(a, b, what).map_err(corrupt);
        let around = reader.exactly(&saved.around, area(count, NEAREST.min(count))?, what)?;
        if around.iter().any(|&cell| cell as usize >= count) {
            return Err(corrupt("a cell has a neighbour that does not exist"));
        }
        let mut cells = Cells {
            of,
            offsets: reader.exactly(&saved.offsets, n, what)?,
            cells,
            at_inducing: AtInducing::load(saved.at_inducing, count, false, reader)?,
            pivots,
            members,
            inverses: reader.exactly(&saved.inverses, inverse, what)?,
            coords: reader.exactly(&saved.coords, coords, what)?,
            sines: reader.exactly(&saved.sines, sines, what)?,
            boxes: reader.exactly(&saved.boxes, area(count, 2 * d)?, what)?,
            d,
            around,
            gaps: reader.exactly(&saved.gaps, area(count, count)?, what)?,
            overlaps: Overlaps::default(),
        };
        cells.overlaps = Overlaps::load(saved.overlaps, &cells, reader)?;
        Ok(cells)
    }
}

impl AtInducing {
    fn save(&self, writer: &mut Writer<'_, '_>) -> Result<SavedAtInducing> {
        Ok(SavedAtInducing {
            positions: writer.array(&self.positions)?,
            levels: writer.array(&self.levels)?,
            pairs: writer.array(&self.pairs)?,
        })
    }

    /// Those of so many cells, or panels, which go with pairs.
    fn load(saved: SavedAtInducing, count: usize, paired: bool, reader: &Reader<'_, '_>) -> Result<AtInducing> {
        let what = "points at inducing points";
        let positions: Vec<u32> = reader.array(&saved.positions, what)?;
        if !positions.is_sorted_by(|a, b| a < b) {
            return Err(corrupt("its points at inducing points are in no order"));
        }
        let area = |a: usize, b: usize| checked_area(a, b, what).map_err(corrupt);
        let pairs = if paired { area(positions.len(), positions.len())? } else { 0 };
        Ok(AtInducing {
            levels: reader.exactly(&saved.levels, area(positions.len(), count)?, what)?,
            pairs: reader.exactly(&saved.pairs, pairs, what)?,
            positions,
        })
    }
}

impl Overlaps {
    fn save(&self, writer: &mut Writer<'_, '_>) -> Result<SavedOverlaps> {
        Ok(SavedOverlaps {
            starts: writer.array(&self.starts)?,
            cells: writer.array(&self.cells)?,
            scales: writer.array(&self.scales)?,
            errors: writer.array(&self.errors)?,
            products: writer.array(&self.products)?,
        })
    }

    /// Those of `cells`.
    fn load(saved: SavedOverlaps, cells: &Cells, reader: &Reader<'_, '_>) -> Result<Overlaps> {
        let what = "the cells";
        let starts = reader.array(&saved.starts, what)?;
        // Of cells without overlaps there are none.
        let ordered =
            starts.is_empty() || starts.len() == cells.cells.len() + 1 && starts[0] == 0 && starts.is_sorted();
        if !ordered {
            return Err(corrupt("the overlaps of a cell end before they begin"));
        }
        let groups = starts.last().map_or(0, |&end| end as usize);
        let lanes = checked_area(groups, OVERLAP, what).map_err(corrupt)?;
        let mut overlaps = Overlaps {
            starts,
            cells: reader.exactly(&saved.cells, lanes, what)?,
            scales: reader.exactly(&saved.scales, lanes, what)?,
            errors: reader.exactly(&saved.errors, lanes, what)?,
            ..Overlaps::default()
        };
        if overlaps.cells.iter().any(|&c| c != NO_CELL && c as usize >= cells.len()) {
            return Err(corrupt("a cell overlaps with one that does not exist"));
        }
        let total = overlaps.place(|c| cells.cells[c].rank)?;
        overlaps.products = reader.exactly(&saved.products, total, what)?;
        Ok(overlaps)
    }
}

impl Panels {
    fn save(&self, writer: &mut Writer<'_, '_>) -> Result<SavedPanels> {
        Ok(SavedPanels {
            median: self.inducing.median,
            inducing_rows: writer.array(&self.inducing.rows)?,
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
            at_inducing: self.at_inducing.save(writer)?,
            regions: self.regions.save(writer)?,
            coarse: self.coarse.save(writer)?,
        })
    }

    fn load(
        saved: SavedPanels,
        metric: &Correlation,
        inducing: Option<&InducingPoints>,
        bounded: bool,
        reader: &Reader<'_, '_>,
    ) -> Result<Panels> {
        let what = "the panels";
        let area = |a: usize, b: usize| checked_area(a, b, what).map_err(corrupt);
        let Points { n, d, m, width, .. } = *metric.points();
        let positions: Vec<u32> = reader.array(&saved.positions, what)?;
        let count = positions.len() / PANEL;
        let mut of = try_vec(n, NEW, what)?;
        for (place, &i) in positions.iter().enumerate().filter(|&(_, &i)| i != NEW) {
            match of.get_mut(i as usize) {
                Some(panel) if *panel == NEW => *panel = (place / PANEL) as u32,
                _ => return Err(corrupt("a panel has a point that does not exist, or that another one has")),
            }
        }
        let starts = reader.exactly(&saved.starts, count + 1, what)?;
        let columns: Vec<u32> = reader.array(&saved.columns, what)?;
        let ordered =
            starts.windows(2).all(|ends| ends[0] <= ends[1] && ((ends[1] - ends[0]) as usize).is_multiple_of(COLUMNS));
        let whole = (starts.first(), starts.last()) == (Some(&0), Some(&(columns.len() as u32)));
        let (regions, bounded) = (count.div_ceil(REGION), if bounded { m } else { 0 });
        if !positions.len().is_multiple_of(PANEL) || count == 0 || !ordered || !whole {
            return Err(corrupt("its panels do not fit together"));
        }
        if columns.iter().any(|&j| j as usize > m) {
            return Err(corrupt("a panel has a column that does not exist"));
        }
        let mut rows: Vec<f64> = reader.array(&saved.inducing_rows, what)?;
        if !rows.is_empty() {
            rows = reader.exactly(&saved.inducing_rows, area(m, width)?, what)?;
        }
        let shared = InducingRows::with(metric, inducing, rows, saved.median)?;
        Ok(Panels {
            inducing: Arc::new(shared),
            d,
            of,
            values: reader.exactly(&saved.values, area(columns.len(), PANEL)?, what)?,
            middles: reader.exactly(&saved.middles, area(count, d)?, what)?,
            radii: reader.exactly(&saved.radii, count, what)?,
            coords: reader.exactly(&saved.coords, area(count, d * PANEL)?, what)?,
            weights: reader.exactly(&saved.weights, positions.len(), what)?,
            tails: reader.exactly(&saved.tails, positions.len(), what)?,
            norms: reader.exactly(&saved.norms, positions.len(), what)?,
            at_inducing: AtInducing::load(saved.at_inducing, count, true, reader)?,
            regions: Regions::load(saved.regions, regions, (d, bounded), reader)?,
            coarse: Regions::load(saved.coarse, regions.div_ceil(REGION), (d, bounded), reader)?,
            positions,
            starts,
            columns,
        })
    }
}

impl Regions {
    fn save(&self, writer: &mut Writer<'_, '_>) -> Result<SavedRegions> {
        Ok(SavedRegions {
            centres: writer.array(&self.centres)?,
            radii: writer.array(&self.radii)?,
            columns: writer.array(&self.columns)?,
            rows: writer.array(&self.rows)?,
            sizes: writer.array(&self.sizes)?,
            tails: writer.array(&self.tails)?,
            lower: writer.array(&self.lower)?,
            upper: writer.array(&self.upper)?,
            weights: writer.array(&self.weights)?,
            norms: writer.array(&self.norms)?,
        })
    }

    /// So many regions, of `d` dimensions and `m` columns.
    fn load(saved: SavedRegions, count: usize, (d, m): (usize, usize), reader: &Reader<'_, '_>) -> Result<Regions> {
        let what = "the regions";
        let area = |a: usize, b: usize| checked_area(a, b, what).map_err(corrupt);
        let (words, corners) = (area(count, m.div_ceil(64))?, area(count, area(d, REGION)?)?);
        let mut regions = Regions {
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
