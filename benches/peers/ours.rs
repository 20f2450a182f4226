//! This library, with default options but for metric and threads.

use crate::contestant::{Answer, Contestant, Job, Run, Without, Work, timed};
use ndarray::{Array1, ArrayView2};
use rct::{
    Control, Covariance, Data, Kernel, KernelFamily, Lengthscale, MetricKind, Neighbors, Options, Query,
    ResidualCoverTree, Result,
};
use std::rc::Rc;

pub struct Ours(pub MetricKind);

/// The correlation metric's covariance function.
pub fn kernel(lengthscale: f64) -> Kernel {
    let lengthscale = Lengthscale::Isotropic(lengthscale);
    Kernel { family: KernelFamily::Matern52, variance: 1.0, lengthscale }
}

impl Ours {
    fn options(&self, job: &Job, threads: usize) -> Options {
        let options = Options { metric: self.0, threads, ..Options::default() };
        match self.0 {
            MetricKind::Euclidean => options,
            _ => Options { covariance: Covariance::Stationary(kernel(job.points.lengthscale)), ..options },
        }
    }

    /// The job's radius in this metric.
    fn radius(&self, job: &Job) -> f64 {
        let (radius, lengthscale) = (job.points.radius, job.points.lengthscale);
        match self.0 {
            MetricKind::Euclidean => radius,
            _ => (1.0 - kernel(lengthscale).covariance(radius / lengthscale)).sqrt(),
        }
    }

    fn read(&self, found: &Neighbors) -> Answer {
        let queries = (0..found.len()).map(|q| found.of(q).map(|(id, distance)| (id as u32, distance)));
        let answer = Answer::with_distances(queries);
        if self.0 == MetricKind::Euclidean { answer } else { Answer { distances: None, ..answer } }
    }
}

fn build(options: &Options, job: &Job) -> Result<ResidualCoverTree> {
    let shape = (job.points.len(), job.points.d);
    let coords = ArrayView2::from_shape(shape, &job.points.coords).expect("rows of d numbers");
    ResidualCoverTree::build(options, &Data::new(coords), &mut Control::none())
}

impl Contestant for Ours {
    fn name(&self) -> String {
        format!("rct {:?}", self.0)
    }

    /// One minus a correlation has the rounding of one.
    fn hidden(&self, job: &Job) -> f64 {
        if self.0 == MetricKind::Euclidean { 0.0 } else { 16.0 * f64::EPSILON * job.points.lengthscale.powi(2) }
    }

    fn prepare<'a>(&'a self, job: &'a Job, threads: usize) -> std::result::Result<Run<'a>, Without> {
        let options = self.options(job, threads);
        let none = Control::none;
        let ids: Rc<Array1<i64>> = Rc::new((0..job.queries() as i64).collect());
        Ok(match job.work {
            Work::Build => Box::new(move || {
                let ids = Rc::clone(&ids);
                let ask = move |tree: ResidualCoverTree| {
                    tree.query_batch(&Query::ids(ids.view(), job.k), &mut none()).map(|found| self.read(&found))
                };
                timed(|| build(&options, job), ask)
            }),
            Work::Predecessors => Box::new(move || {
                let work = || build(&options, job)?.vecchia_neighbors(job.k, None, &mut none());
                timed(work, |found| Ok(self.read(&found)))
            }),
            Work::Nearest | Work::Radius => {
                let tree = build(&options, job).map_err(|error| Without::Failed(error.to_string()))?;
                let radius = self.radius(job);
                Box::new(move || {
                    let query = Query::ids(ids.view(), job.k);
                    let work = || match job.work {
                        Work::Radius => tree.radius_batch(&query, radius, &mut none()),
                        _ => tree.query_batch(&query, &mut none()),
                    };
                    timed(work, |found| Ok(self.read(&found)))
                })
            }
        })
    }
}
