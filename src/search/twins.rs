//! Points at one place: an index has the first of them, and what it finds of a place stands for all that are there.

use super::collector::Neighbor;
use crate::error::{Result, try_collect, try_copy, try_reserve, try_vec, try_with_capacity};
use crate::layout::Boxes;
use crate::metric::Points;
use xxhash_rust::xxh3::Xxh3;

/// Which points are at one place, with one row of V and one residual variance.
pub(crate) struct Twins {
    /// The position of the first point, by number, at the place of each position.
    first: Vec<u32>,
    /// Positions of the first point of each place, ascending.
    firsts: Vec<u32>,
    /// Of places with several points: the position of the first, ascending, and where its points begin among the members.
    places: Vec<(u32, u32)>,
    /// Positions, place by place, by number.
    members: Vec<u32>,
}

impl Twins {
    /// Those of a layout some of whose leaves are at one place; none where there is no such leaf. Points' rows of V are compared where
    /// they are the caller's (`given`); others follow from the coordinates. O(n d log n).
    pub(crate) fn new(points: &Points, boxes: &Boxes, numbers: &[u32], given: bool) -> Result<Option<Twins>> {
        let (what, n) = ("the places of points", points.n);
        if !(0..boxes.leaves()).any(|leaf| boxes.members(0, leaf).len() > 1 && boxes.is_one_place(0, leaf)) {
            return Ok(None);
        }
        let mut hashed = try_with_capacity(n, what)?;
        for (position, &number) in numbers.iter().enumerate() {
            let mut hash = Xxh3::new();
            (0..points.d).for_each(|j| hash.update(&points.coord(position, j).to_bits().to_le_bytes()));
            hashed.push((hash.digest(), number, position as u32));
        }
        hashed.sort_unstable();
        let mut first = try_collect((0..n as u32).map(Ok), what)?;
        let mut several = Vec::new();
        for run in hashed.chunk_by(|a, b| a.0 == b.0).filter(|run| run.len() > 1) {
            let own = run[0].2;
            let mut count = 0;
            for &(_, _, position) in run {
                if position == own || is_twin(points, own as usize, position as usize, given)? {
                    first[position as usize] = own;
                    count += 1;
                }
            }
            if count > 1 {
                try_reserve(&mut several, count, what)?;
                let twins = run.iter().filter(|&&(_, _, position)| first[position as usize] == own);
                several.extend(twins.map(|&(_, number, position)| (own, number, position)));
            }
        }
        several.sort_unstable();
        let (mut places, mut members) = (Vec::new(), try_with_capacity(several.len(), what)?);
        for place in several.chunk_by(|a, b| a.0 == b.0) {
            try_reserve(&mut places, 1, what)?;
            places.push((place[0].0, members.len() as u32));
            members.extend(place.iter().map(|&(_, _, position)| position));
        }
        let mut firsts = try_with_capacity(n, what)?;
        firsts.extend((0..n as u32).filter(|&position| first[position as usize] == position));
        Ok(Some(Twins { first, firsts, places, members }))
    }

    /// The first point at the place of a position.
    pub(crate) fn first(&self, position: u32) -> u32 {
        self.first[position as usize]
    }

    /// The first point of each place.
    pub(crate) fn firsts(&self) -> &[u32] {
        &self.firsts
    }

    /// The first points of the places of some positions, ascending.
    pub(crate) fn firsts_of(&self, positions: &[u32]) -> Result<Vec<u32>> {
        let what = "the places of points";
        let mut is_there = try_vec(self.first.len(), false, what)?;
        positions.iter().for_each(|&position| is_there[self.first(position) as usize] = true);
        let mut firsts = try_with_capacity(positions.len().min(self.firsts.len()), what)?;
        firsts.extend(self.firsts.iter().copied().filter(|&position| is_there[position as usize]));
        Ok(firsts)
    }

    /// The keys, by position, with those of first points the least at their places.
    pub(crate) fn least_keys(&self, keys: &[u32]) -> Result<Vec<u32>> {
        let mut least = try_copy(keys, "the places of points")?;
        for (&first, &key) in self.first.iter().zip(keys) {
            let least = &mut least[first as usize];
            *least = key.min(*least);
        }
        Ok(least)
    }

    /// The points at the place whose first point is at a position, if these are several: by number.
    pub(crate) fn members(&self, first: u32) -> Option<&[u32]> {
        let place = self.places.binary_search_by_key(&first, |&(first, _)| first).ok()?;
        let end = self.places.get(place + 1).map_or(self.members.len(), |&(_, start)| start as usize);
        Some(&self.members[self.places[place].1 as usize..end])
    }

    /// Puts all points of a place for each first point found, but for that at the position `own`: of each the first `most` that are
    /// `allowed`. Nearest first. `positions` are those of numbers, if these are no positions.
    pub(crate) fn expand(
        &self,
        found: &mut Vec<Neighbor>,
        (own, numbers, positions): (u32, &[u32], Option<&[u32]>),
        most: usize,
        allowed: impl Fn(u32) -> bool,
    ) -> Result<()> {
        let what = "the answer";
        let mut all = try_with_capacity(found.len(), what)?;
        for &neighbor in &*found {
            let first = positions.map_or(neighbor.id, |positions| positions[neighbor.id as usize]);
            let Some(members) = self.members(first).filter(|_| first != own) else {
                try_reserve(&mut all, 1, what)?;
                all.push(neighbor);
                continue;
            };
            for &position in members.iter().filter(|&&position| allowed(position)).take(most) {
                try_reserve(&mut all, 1, what)?;
                all.push(Neighbor { id: numbers[position as usize], ..neighbor });
            }
        }
        all.sort_unstable();
        all.truncate(most);
        *found = all;
        Ok(())
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        4 * (self.first.len() + self.firsts.len() + self.members.len()) + size_of_val(&self.places[..])
    }
}

/// Whether two points are at one place and have the same row and variance.
fn is_twin(points: &Points, a: usize, b: usize, given: bool) -> Result<bool> {
    let same = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits());
    let row = |i: usize| &points.raw_coords[i * points.d..(i + 1) * points.d];
    let at_one_place = (0..points.d).all(|j| points.coord(a, j).to_bits() == points.coord(b, j).to_bits());
    if !at_one_place || !same(row(a), row(b)) || points.variances[a].to_bits() != points.variances[b].to_bits() {
        return Ok(false);
    }
    if given {
        points.check_row(a)?;
        points.check_row(b)?;
    }
    Ok(!given || same(points.factor_row(a), points.factor_row(b)))
}
