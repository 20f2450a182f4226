//! The tree as its users see it: built, asked, grown, refitted.

/// Runs `$body` with `$metric` bound to the tree's metric, whichever it is.
macro_rules! with_metric {
    ($any:expr, $metric:ident => $body:expr) => {
        match $any {
            AnyMetric::Correlation($metric) => $body,
            AnyMetric::Euclidean($metric) => $body,
        }
    };
}

#[cfg(test)]
mod bound_tests;
mod build;
#[cfg(test)]
mod certificate_tests;
mod factor;
mod grow;
mod nodes;
mod nodes_on_demand;
mod part;
mod refit;
mod saved;
mod search;
mod tree;
mod vecchia;

pub use factor::{Factor, InducingFactor};
pub use saved::LoadOptions;
pub use tree::{Neighbors, ResidualCoverTree};
