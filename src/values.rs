//! Long arrays of values, in memory of their own: those that are read row by row, in no order, lie in large pages.

use crate::error::{Result, out_of_memory, try_vec};
use memmap2::MmapMut;
use std::ops::{Deref, DerefMut};

/// Arrays of at least so many bytes lie in large pages, where the system has them. Of as many as this a processor remembers where
/// small pages lie; with rows of 4 KiB anywhere in 128 MiB a search is 5 to 10% faster in large ones.
const LARGE: usize = 16 << 20;

/// Values of which there is a fixed number.
pub(crate) enum Values {
    Small(Vec<f64>),
    Large(MmapMut),
}

impl Values {
    /// So many zeros.
    pub(crate) fn zeros(len: usize, what: &str) -> Result<Values> {
        let bytes = len.saturating_mul(size_of::<f64>());
        if bytes < LARGE {
            return try_vec(len, 0.0, what).map(Values::Small);
        }
        let map = MmapMut::map_anon(bytes).map_err(|_| out_of_memory(bytes, what))?;
        // Where the system has no large pages small ones do as well, but slower.
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::HugePage);
        Ok(Values::Large(map))
    }
}

impl Default for Values {
    fn default() -> Self {
        Values::Small(Vec::new())
    }
}

impl Deref for Values {
    type Target = [f64];

    #[inline]
    fn deref(&self) -> &[f64] {
        match self {
            Values::Small(values) => values,
            // The start of a page is aligned for any value.
            Values::Large(map) => bytemuck::cast_slice(map),
        }
    }
}

impl DerefMut for Values {
    fn deref_mut(&mut self) -> &mut [f64] {
        match self {
            Values::Small(values) => values,
            Values::Large(map) => bytemuck::cast_slice_mut(map),
        }
    }
}
