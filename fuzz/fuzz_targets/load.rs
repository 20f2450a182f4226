//! Any bytes as a saved tree: refused, or a tree that can be asked. Checksums are not compared (`cfg(fuzzing)`), so that
//! what lies behind them is reached; wrong numbers may then give wrong answers or an internal error, but never a crash,
//! a read outside of an array, or an allocation that is larger than the input by more than a factor.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rct::c_api::*;
use std::ptr::{null, null_mut};

fuzz_target!(init: quiet(), |bytes: &[u8]| {
    let mut tree = null_mut();
    // SAFETY: the bytes are there, and the handle is used while it lives.
    unsafe {
        let mut options = std::mem::zeroed();
        rct_load_options_init(&mut options);
        options.threads = 1;
        if rct_load_from_buffer(bytes.as_ptr(), bytes.len(), &options, &mut tree, null()) != rct_status::RCT_OK {
            return;
        }
        let mut stats: rct_tree_stats = std::mem::zeroed();
        stats.struct_size = size_of::<rct_tree_stats>();
        rct_stats(tree, &mut stats);
        if stats.n > 0 && stats.n < 1500 {
            ask(tree, stats.n, stats.d);
        }
        rct_free(tree);
    }
});

/// Asks what there is to ask; of a tree with an index its queries alone, so that many files are tried.
///
/// # Safety
/// `tree` is a live handle.
unsafe fn ask(tree: *mut rct_tree, n: usize, d: usize) {
    const K: usize = 3;
    let mut ids = vec![0i64; n * K];
    let rows = |rows: usize, data: *mut i64| rct_index_matrix_out {
        data,
        rows,
        cols: K,
        row_stride: K as isize,
        col_stride: 1,
    };
    let none = rct_index_vector { data: null(), len: 0, stride: 1 };
    let absent = rct_matrix_out { data: null_mut(), rows: 0, cols: 0, row_stride: 0, col_stride: 0 };
    let counts = rct_index_vector_out { data: null_mut(), len: 0, stride: 1 };
    // SAFETY: views of arrays that are there.
    unsafe {
        let out = rct_neighbors { ids: rows(n, ids.as_mut_ptr()), distances: absent, counts };
        let indexed = n > 1024;
        if !indexed {
            rct_vecchia_neighbors(tree, K, none, &out, null());
        }
        let coords = vec![0.25; d];
        for traversal in 0..if indexed { 1 } else { 4 } {
            let mut query = std::mem::zeroed();
            rct_query_init(&mut query);
            query.k = K;
            query.traversal = traversal;
            query.coords =
                rct_matrix { data: coords.as_ptr(), rows: 1, cols: d, row_stride: d as isize, col_stride: 1 };
            let out = rct_neighbors { ids: rows(1, ids.as_mut_ptr()), distances: absent, counts };
            rct_query_batch(tree, &query, &out, null());
        }
        if indexed {
            return;
        }
        let mut data = std::mem::zeroed();
        rct_data_init(&mut data);
        data.coords = rct_matrix { data: coords.as_ptr(), rows: 1, cols: d, row_stride: d as isize, col_stride: 1 };
        rct_insert_batch(tree, &data, null_mut(), null());
        let mut buffer = null_mut();
        rct_save_to_buffer(tree, &mut buffer, null());
        rct_buffer_free(buffer);
    }
}

/// A panic is an internal error of the call, as it is for every host, and nothing to print.
fn quiet() {
    std::panic::set_hook(Box::new(|_| {}));
}
