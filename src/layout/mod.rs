//! Where points lie: leaf by leaf of a k-d tree, each leaf in a box.

pub(crate) mod aabb;
mod boxes;
mod kd;

pub(crate) use boxes::{Boxes, LeastKeys};
pub(crate) use kd::{LEAF, Layout, gathered, is_permutation, ordered};
