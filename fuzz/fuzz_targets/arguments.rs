//! Any arguments of the C ABI: numbers of every field, shapes and strides inside of arrays that are there, and sequences
//! of verbs. A call succeeds or fails with a status; a panic is a crash here.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rct::c_api::*;
use std::ptr::{null, null_mut};

/// Doubles of the array that views are of.
const SIZE: usize = 512;

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    let values: Vec<f64> =
        (0..SIZE).map(|i| if i % 7 == 0 { input.number() } else { (i * 37 % 101) as f64 / 101.0 }).collect();
    let mut ids = vec![0i64; SIZE];
    ids.iter_mut()
        .enumerate()
        .for_each(|(i, id)| *id = if i % 5 == 0 { input.byte() as i64 - 3 } else { i as i64 % 11 });
    // SAFETY: views are of the arrays above, and handles are used while they live.
    unsafe {
        let mut options = std::mem::zeroed();
        rct_options_init(&mut options);
        options.lengthscale = 1.0;
        change(&mut options, &mut input, &values);
        let mut tree = null_mut();
        if rct_create(&options, &mut tree) != rct_status::RCT_OK {
            return;
        }
        let mut out = vec![0i64; 4096];
        for _ in 0..8 {
            let mut data: rct_data = std::mem::zeroed();
            rct_data_init(&mut data);
            data.coords = matrix(&mut input, &values);
            match input.byte() % 4 {
                0 => data.inducing = matrix(&mut input, &values),
                1 => data.factor = matrix(&mut input, &values),
                _ => {}
            }
            if input.byte() % 4 == 0 {
                data.residual_variances = vector(&mut input, &values);
            }
            match input.byte() % 8 {
                0 | 1 => drop(rct_build(tree, &data, null())),
                2 => drop(rct_insert_batch(tree, &data, null_mut(), null())),
                3 => drop(rct_remove_batch(tree, indices(&mut input, &ids), null())),
                4 => {
                    change(&mut options, &mut input, &values);
                    data.coords = rct_matrix { data: null(), rows: 0, cols: 0, row_stride: 0, col_stride: 1 };
                    rct_refit(tree, &options, &data, null());
                }
                5 => {
                    let mut buffer = null_mut();
                    if rct_save_to_buffer(tree, &mut buffer, null()) == rct_status::RCT_OK {
                        let (mut at, mut len, mut loaded) = (null(), 0, null_mut());
                        rct_buffer_view(buffer, &mut at, &mut len);
                        assert_eq!(rct_load_from_buffer(at, len, null(), &mut loaded, null()), rct_status::RCT_OK);
                        rct_free(loaded);
                    }
                    rct_buffer_free(buffer);
                }
                _ => ask(tree, &mut input, &values, &ids, &mut out),
            }
        }
        rct_free(tree);
    }
});

/// Asks a query and the pairs.
///
/// # Safety
/// `tree` is a live handle.
unsafe fn ask(tree: *mut rct_tree, input: &mut Input<'_>, values: &[f64], ids: &[i64], out: &mut [i64]) {
    // SAFETY: views are of arrays that are there.
    unsafe {
        let mut query: rct_query = std::mem::zeroed();
        rct_query_init(&mut query);
        query.k = usize::from(input.byte() % 9);
        query.traversal = i32::from(input.byte() % 6) - 1;
        query.exclude_self = i32::from(input.byte() % 2);
        if input.byte() % 2 == 0 {
            query.ids = indices(input, ids);
        } else {
            query.coords = matrix(input, values);
        }
        if input.byte() % 3 == 0 {
            query.id_limits = indices(input, ids);
        }
        if input.byte() % 3 == 0 {
            query.max_distances = vector(input, values);
        }
        let rows = query.ids.len.max(query.coords.rows);
        let cols = query.k;
        let none = rct_matrix_out { data: null_mut(), rows: 0, cols: 0, row_stride: 0, col_stride: 0 };
        let counts = rct_index_vector_out { data: null_mut(), len: 0, stride: 1 };
        if rows * cols <= out.len() {
            let ids =
                rct_index_matrix_out { data: out.as_mut_ptr(), rows, cols, row_stride: cols as isize, col_stride: 1 };
            rct_query_batch(tree, &query, &rct_neighbors { ids, distances: none, counts }, null());
        }
        query.max_distances = rct_vector { data: null(), len: 0, stride: 1 };
        let mut found = null_mut();
        rct_radius_batch(tree, &query, input.number(), &mut found, null());
        rct_radius_result_free(found);
        let mut numbers = [0.0; 400];
        let pairs = indices(input, ids);
        let room = rct_vector_out { data: numbers.as_mut_ptr(), len: pairs.len, stride: 1 };
        rct_distances(tree, pairs, pairs, room);
        rct_residual_covariances(tree, pairs, pairs, room);
        let mut known = std::mem::zeroed();
        rct_options_init(&mut known);
        rct_get_options(tree, &mut known);
        let cols = usize::from(input.byte() % 20);
        let factor =
            rct_matrix_out { data: numbers.as_mut_ptr(), rows: rows.min(19), cols, row_stride: 20, col_stride: 1 };
        let p = rct_vector_out { data: null_mut(), len: 0, stride: 1 };
        rct_factor(tree, &query, &rct_factor_out { factor, residual_variances: p }, null());
        rct_inducing_points(tree, rct_matrix_out { rows: cols, cols: 2, ..factor }, none);
        let count = usize::from(input.byte());
        rct_ids(tree, rct_index_vector_out { data: out.as_mut_ptr(), len: count, stride: 1 });
    }
}

/// Any numbers in the fields of options.
fn change(options: &mut rct_options, input: &mut Input<'_>, values: &[f64]) {
    let small = |input: &mut Input<'_>, most: u8| i32::from(input.byte() % (most + 2)) - 1;
    options.threads = 1;
    for _ in 0..input.byte() % 8 {
        match input.byte() % 12 {
            0 => options.metric = small(input, 3),
            1 => options.kernel = small(input, 6),
            2 => options.construction = small(input, 2),
            3 => options.ordering = small(input, 4),
            4 => options.traversal = small(input, 4),
            5 => options.variance = input.number(),
            6 => options.lengthscale = input.number(),
            7 => options.lengthscales = vector(input, values),
            8 => options.alpha = input.number(),
            9 => options.jitter = input.number(),
            10 => options.residual_floor = input.number(),
            _ => options.struct_size = usize::from(input.byte()) + 1,
        }
        if options.struct_size != size_of::<rct_options>() && input.byte() % 8 != 0 {
            options.struct_size = size_of::<rct_options>();
        }
    }
}

/// What is left of the input; zeros follow its end.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    /// A number: a usual one, or any bits.
    fn number(&mut self) -> f64 {
        match self.byte() {
            255 => f64::from_bits(u64::from_le_bytes(std::array::from_fn(|_| self.byte()))),
            254 => f64::NAN,
            253 => 1e300,
            252 => -1e-300,
            byte => f64::from(byte) / 64.0,
        }
    }
}

/// A length and a stride with which all elements are in an array of `size` values, and where the first is.
fn walk(input: &mut Input<'_>, len: usize) -> (usize, isize) {
    let stride = isize::from(input.byte() % 9) - 4;
    let reach = len.saturating_sub(1) * stride.unsigned_abs();
    (reach, stride)
}

fn matrix(input: &mut Input<'_>, values: &[f64]) -> rct_matrix {
    let (rows, cols) = (usize::from(input.byte() % 20), usize::from(input.byte() % 5));
    let ((down, row_stride), (across, col_stride)) = (walk(input, rows), walk(input, cols));
    let back = |reach: usize, stride: isize| if stride < 0 { reach } else { 0 };
    let first = back(down, row_stride) + back(across, col_stride);
    assert!(down + across < values.len());
    rct_matrix { data: values[first..].as_ptr(), rows, cols, row_stride, col_stride }
}

fn vector(input: &mut Input<'_>, values: &[f64]) -> rct_vector {
    let len = usize::from(input.byte() % 20);
    let (reach, stride) = walk(input, len);
    rct_vector { data: values[if stride < 0 { reach } else { 0 }..].as_ptr(), len, stride }
}

fn indices(input: &mut Input<'_>, ids: &[i64]) -> rct_index_vector {
    let len = usize::from(input.byte() % 20);
    let (reach, stride) = walk(input, len);
    rct_index_vector { data: ids[if stride < 0 { reach } else { 0 }..].as_ptr(), len, stride }
}
