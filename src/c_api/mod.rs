//! The C ABI: thin shims over the safe API, one file per object. `include/rct.h` is generated from this folder.
//!
//! # Safety
//! What every function asks of its caller: pointers are NULL or point to what the header says, alive and (for outputs)
//! not used by anybody else during the call; views describe memory that may be read or written; a handle comes from
//! this library and has not been freed. NULL, wrong sizes, wrong shapes and wrong values are checked.
#![allow(non_camel_case_types, clippy::missing_safety_doc)]
// The comments are the header's, where brackets are subscripts.
#![allow(rustdoc::broken_intra_doc_links)]

mod calls;
mod control;
mod covariance;
mod factor;
mod grow;
mod options;
mod order;
#[cfg(feature = "python")]
mod python;
mod query;
mod radius;
mod saved;
mod status;
mod tree;
mod types;
mod version;
mod views;

pub use factor::*;
pub use grow::*;
pub use options::*;
pub use order::*;
#[cfg(feature = "python")]
pub use python::*;
pub use query::*;
pub use radius::*;
pub use saved::*;
pub use status::*;
pub use tree::*;
pub use types::*;
pub use version::*;
