//! The index of a saved tree: every number that a search uses as a place is checked, the others have checksums.

use super::cell::{LANES, Margins};
use super::cells::{Cells, NEAREST, NO_CELL, Place};
use super::index::{Index, IndexSource};
use super::screen::{Screen, ScreenBasis};
use crate::error::{Result, checked_area, try_copy, try_vec};
use crate::metric::NEW;
use crate::saved::{Array, Reader, Writer, corrupt};
use crate::simd::int16::{LANES as PANEL, PAIR};
use crate::simd::padded;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Cells or a screen, either of which may be absent.
#[derive(Serialize, Deserialize)]
pub(crate) struct SavedIndex {
    cells: Option<SavedCells>,
    screen: Option<SavedScreen>,
    evaluations: u64,
}

#[derive(Serialize, Deserialize)]
struct SavedCells {
    offsets: Array<f32>,
    /// Rank, number of members and margins of each cell.
    cells: Vec<(u32, u32, Margins, Margins)>,
    members: Array<u32>,
    inverses: Array<f64>,
    coords: Array<f32>,
    sines: Array<f32>,
    boxes: Array<f64>,
    around: Array<u32>,
    gaps: Array<u8>,
}

#[derive(Serialize, Deserialize)]
struct SavedScreen {
    inverse: Array<f64>,
    median: f64,
    pairs: Vec<[u32; 2]>,
    positions: Array<u32>,
    small: Vec<(u32, f64, Option<u32>)>,
    data: Array<i16>,
    caps: Array<i16>,
    coords: Array<f64>,
    point_inverse_sds: Array<f64>,
    norm: f64,
    boxes: Array<f64>,
    inverse_sds: Array<f64>,
}

/// Sizes of a tree.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) n: usize,
    pub(crate) d: usize,
    pub(crate) m: usize,
}

impl Index {
    pub(crate) fn save(&self, writer: &mut Writer<'_, '_>) -> Result<SavedIndex> {
        Ok(SavedIndex {
            cells: self.cells.as_ref().map(|cells| cells.save(writer)).transpose()?,
            screen: self.screen.as_ref().map(|screen| screen.save(writer)).transpose()?,
            evaluations: self.evaluations,
        })
    }

    /// The index, and what indices over prefixes are built from.
    pub(crate) fn load(saved: SavedIndex, sizes: Sizes, reader: &Reader<'_, '_>) -> Result<(Index, IndexSource)> {
        let cells = saved.cells.map(|cells| Cells::load(cells, sizes, reader)).transpose()?;
        let screen = saved.screen.map(|screen| Screen::load(screen, sizes, reader)).transpose()?;
        let source =
            screen.as_ref().map_or_else(IndexSource::default, |screen| IndexSource::with(screen.basis.clone()));
        Ok((Index { cells, screen, evaluations: saved.evaluations }, source))
    }
}

impl Cells {
    fn save(&self, writer: &mut Writer<'_, '_>) -> Result<SavedCells> {
        let place = |place: &Place| (place.rank as u32, place.count as u32, place.margins, place.first);
        Ok(SavedCells {
            offsets: writer.array(&self.offsets)?,
            cells: self.cells.iter().map(place).collect(),
            members: writer.array(&self.members)?,
            inverses: writer.array(&self.inverses)?,
            coords: writer.array(&self.coords)?,
            sines: writer.array(&self.sines)?,
            boxes: writer.array(&self.boxes)?,
            around: writer.array(&self.around)?,
            gaps: writer.array(&self.gaps)?,
        })
    }

    fn load(saved: SavedCells, Sizes { n, d, .. }: Sizes, reader: &Reader<'_, '_>) -> Result<Cells> {
        let what = "the cells";
        let count = saved.cells.len();
        let members = reader.array(&saved.members, what)?;
        let mut of = try_vec(n, NO_CELL, what)?;
        let mut cells = Vec::with_capacity(count);
        let (mut start, mut inverse, mut coords, mut sines, mut pivots) = (0, 0, 0, 0, 0);
        for (c, (rank, size, margins, first)) in saved.cells.into_iter().enumerate() {
            let (rank, size) = (rank as usize, size as usize);
            if rank == 0 || rank > size || size > members.len() - start {
                return Err(corrupt("a cell has a wrong number of points"));
            }
            cells.push(Place { rank, start, count: size, inverse, coords, sines, margins, first });
            for &i in &members[start..start + size] {
                match of.get_mut(i as usize) {
                    Some(cell) if *cell == NO_CELL => *cell = c as u32,
                    _ => return Err(corrupt("a cell has a point that does not exist, or that another one has")),
                }
            }
            let padded = (size - rank).next_multiple_of(LANES);
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
        Ok(Cells {
            of,
            offsets: reader.exactly(&saved.offsets, n, what)?,
            cells,
            pivots,
            members,
            inverses: reader.exactly(&saved.inverses, inverse, what)?,
            coords: reader.exactly(&saved.coords, coords, what)?,
            sines: reader.exactly(&saved.sines, sines, what)?,
            boxes: reader.exactly(&saved.boxes, area(count, 2 * d)?, what)?,
            d,
            around,
            gaps: reader.exactly(&saved.gaps, area(count, count)?, what)?,
        })
    }
}

impl Screen {
    fn save(&self, writer: &mut Writer<'_, '_>) -> Result<SavedScreen> {
        Ok(SavedScreen {
            inverse: writer.array(&self.basis.inverse)?,
            median: self.basis.inverse_sd,
            pairs: try_copy(&self.basis.pairs, "the saved tree")?,
            positions: writer.array(&self.positions)?,
            small: try_copy(&self.small, "the saved tree")?,
            data: writer.array(&self.data)?,
            caps: writer.array(&self.caps)?,
            coords: writer.array(&self.coords)?,
            point_inverse_sds: writer.array(&self.point_inverse_sds)?,
            norm: self.norm,
            boxes: writer.array(&self.boxes)?,
            inverse_sds: writer.array(&self.inverse_sds)?,
        })
    }

    fn load(saved: SavedScreen, Sizes { n, d, m }: Sizes, reader: &Reader<'_, '_>) -> Result<Screen> {
        let what = "the screen";
        let area = |a: usize, b: usize| checked_area(a, b, what).map_err(corrupt);
        let positions = reader.array(&saved.positions, what)?;
        let (panels, size) = (positions.len() / PANEL, m.div_ceil(2) * PAIR);
        if positions.len() % PANEL != 0 || positions.iter().any(|&i| i != NEW && i as usize >= n) {
            return Err(corrupt("a panel has a point that does not exist"));
        }
        if saved.pairs.len() != m.div_ceil(2) || saved.pairs.iter().flatten().any(|&z| z as usize > m) {
            return Err(corrupt("a pair has an inducing point that does not exist"));
        }
        let exists = |&(i, _, z): &(u32, f64, Option<u32>)| (i as usize) < n && z.is_none_or(|z| (z as usize) < m);
        if !saved.small.iter().all(exists) {
            return Err(corrupt("a point of small variance does not exist"));
        }
        let inverse = reader.exactly(&saved.inverse, area(m, padded(m))?, what)?;
        let basis = Arc::new(ScreenBasis { inverse, inverse_sd: saved.median, pairs: saved.pairs });
        Ok(Screen {
            basis,
            positions,
            small: saved.small,
            data: reader.exactly(&saved.data, area(panels, size)?, what)?,
            caps: reader.exactly(&saved.caps, area(panels.div_ceil(PANEL), size)?, what)?,
            coords: reader.exactly(&saved.coords, area(panels, d * PANEL)?, what)?,
            point_inverse_sds: reader.exactly(&saved.point_inverse_sds, panels * PANEL, what)?,
            norm: saved.norm,
            boxes: reader.exactly(&saved.boxes, area(panels, 2 * d)?, what)?,
            inverse_sds: reader.exactly(&saved.inverse_sds, panels, what)?,
            d,
        })
    }
}
