//! Whether two answers are the same, up to ties; and brute force, for some queries.

use crate::contestant::{Answer, Job, Work};

/// Distances that differ by this share are tied.
const TIED: f64 = 1e-9;
/// How many queries brute force answers.
const BRUTE: usize = 100;

/// What is known of a job's answer.
pub struct Checker<'a> {
    job: &'a Job,
    /// Queries, and their neighbours by brute force.
    brute: Vec<(usize, Vec<u32>)>,
    /// The first answer that was right.
    first: Option<Vec<Vec<u32>>>,
}

impl<'a> Checker<'a> {
    pub fn new(job: &'a Job) -> Self {
        let some = (0..job.queries()).step_by(job.queries().div_ceil(BRUTE));
        Checker { job, brute: some.map(|q| (q, brute_force(job, q))).collect(), first: None }
    }

    /// Checks an answer by itself, against brute force for some queries, and against the first one for all. `hidden` is
    /// by how much squared distances may differ that the contestant's metric cannot tell apart.
    pub fn check(&mut self, answer: Answer, hidden: f64) -> Result<(), String> {
        if answer.ids.len() != self.job.queries() {
            return Err(format!("{} queries answered of {}", answer.ids.len(), self.job.queries()));
        }
        for (q, ids) in answer.ids.iter().enumerate() {
            let told = answer.distances.as_ref().map(|distances| &distances[q][..]);
            let brute = self.brute.binary_search_by_key(&q, |&(q, _)| q).ok().map(|place| &self.brute[place].1);
            let expected = brute.into_iter().chain(self.first.as_ref().map(|first| &first[q]));
            self.check_one(q, ids, told, expected, hidden).map_err(|what| format!("query {q}: {what}: {ids:?}"))?;
        }
        self.first.get_or_insert(answer.ids);
        Ok(())
    }

    fn check_one<'e>(
        &self,
        q: usize,
        ids: &[u32],
        told: Option<&[f64]>,
        expected: impl Iterator<Item = &'e Vec<u32>>,
        hidden: f64,
    ) -> Result<(), String> {
        let found = Ranked::new(self.job, q, ids, hidden)?;
        found.has_distances(told)?;
        for other in expected {
            found
                .same_as(&Ranked::new(self.job, q, other, hidden)?)
                .map_err(|what| format!("{what} than {other:?}"))?;
        }
        Ok(())
    }
}

/// The ids of an answer to one query, with squared distances.
struct Ranked {
    ids: Vec<u32>,
    squared: Vec<f64>,
    /// So far, squared, is what was asked for.
    boundary: f64,
    /// Whether the nearest were asked for, by distance.
    by_rank: bool,
    hidden: f64,
}

impl Ranked {
    fn new(job: &Job, q: usize, ids: &[u32], hidden: f64) -> Result<Self, String> {
        let before = before(job, q);
        if ids.iter().any(|&id| id as usize >= before) {
            return Err("an id that is none of those to choose from".into());
        }
        let mut sorted = ids.to_vec();
        sorted.sort_unstable();
        if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err("a neighbour twice".into());
        }
        let by_rank = job.work != Work::Radius;
        if by_rank && ids.len() != job.k.min(before) {
            return Err(format!("{} neighbours", ids.len()));
        }
        let squared: Vec<f64> = ids.iter().map(|&id| job.points.squared_distance(q, id as usize)).collect();
        let farthest = squared.iter().copied().fold(0.0, f64::max);
        let boundary = if by_rank { farthest } else { job.points.radius * job.points.radius };
        let ranked = Ranked { ids: ids.to_vec(), squared, boundary, by_rank, hidden };
        if by_rank && !ranked.squared.is_sorted_by(|&a, &b| a <= b || ranked.tied(a, b)) {
            return Err("not by distance".into());
        }
        Ok(ranked)
    }

    fn tied(&self, a: f64, b: f64) -> bool {
        (a - b).abs() <= 2.0 * TIED * a.max(b) + self.hidden
    }

    fn has_distances(&self, told: Option<&[f64]>) -> Result<(), String> {
        let Some(told) = told else { return Ok(()) };
        let right = |(&distance, &squared): (&f64, &f64)| self.tied(distance * distance, squared);
        if told.len() == self.squared.len() && told.iter().zip(&self.squared).all(right) {
            return Ok(());
        }
        Err(format!("distances {told:?}"))
    }

    /// The same ids nearer than the boundary, and the same distance at each rank.
    fn same_as(&self, other: &Ranked) -> Result<(), String> {
        let boundary = self.boundary.min(other.boundary);
        if self.nearer_than(boundary) != other.nearer_than(boundary) {
            return Err("other neighbours".into());
        }
        let mut ranks = self.squared.iter().zip(&other.squared);
        if self.by_rank && !ranks.all(|(&a, &b)| self.tied(a, b)) {
            return Err("other distances".into());
        }
        Ok(())
    }

    /// The ids that are nearer than `boundary` and not tied with it, ascending.
    fn nearer_than(&self, boundary: f64) -> Vec<u32> {
        let nearer = |&(_, &squared): &(&u32, &f64)| squared < boundary && !self.tied(squared, boundary);
        let mut ids: Vec<u32> = self.ids.iter().zip(&self.squared).filter(nearer).map(|(&id, _)| id).collect();
        ids.sort_unstable();
        ids
    }
}

/// The points that query `q` may find are those before this one.
fn before(job: &Job, q: usize) -> usize {
    if job.work == Work::Predecessors { q } else { job.points.len() }
}

fn brute_force(job: &Job, q: usize) -> Vec<u32> {
    let points = &job.points;
    let by_distance = |a: &(f64, u32), b: &(f64, u32)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
    let mut all: Vec<(f64, u32)> = (0..before(job, q)).map(|id| (points.squared_distance(q, id), id as u32)).collect();
    if job.work == Work::Radius {
        all.retain(|&(squared, _)| squared < points.radius * points.radius);
    } else if all.len() > job.k {
        all.select_nth_unstable_by(job.k, by_distance);
        all.truncate(job.k);
    }
    all.sort_unstable_by(by_distance);
    all.into_iter().map(|(_, id)| id).collect()
}
