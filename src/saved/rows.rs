//! The rows of V, in memory of their own or where they were saved, where each chunk is checked when it is first used.

use super::archive::{Array, Reader, expect_len};
use super::format::CHUNK;
use super::source::Shared;
use crate::error::{Result, try_collect};
use crate::values::Values;
use std::ops::{Deref, Range};
use std::sync::atomic::{AtomicBool, Ordering};

/// Values, row by row.
pub(crate) enum Rows {
    Own(Values),
    Saved(SavedRows),
}

/// Values that stay in a saved tree.
pub(crate) struct SavedRows {
    bytes: Shared,
    range: Range<usize>,
    array: Array<f64>,
    /// Whether each chunk has been found undamaged.
    sound: Vec<AtomicBool>,
}

impl Rows {
    /// The values of `array`, which stay where they are if they can.
    pub(crate) fn load(reader: &Reader<'_, '_>, array: Array<f64>, len: usize, what: &str) -> Result<Rows> {
        if let Some(bytes) = reader.shared()
            && array.len() == len
            && cfg!(target_endian = "little")
        {
            let range = array.range(reader.len())?;
            let bytes = Shared::clone(bytes);
            let aligned =
                (*bytes).as_ref().get(range.clone()).is_some_and(|b| bytemuck::try_cast_slice::<u8, f64>(b).is_ok());
            if aligned {
                let chunks = range.len().div_ceil(CHUNK);
                let sound = try_collect((0..chunks).map(|_| Ok(AtomicBool::new(false))), "checksums")?;
                return Ok(Rows::Saved(SavedRows { bytes, range, array, sound }));
            }
        }
        expect_len(array.len(), len, what)?;
        array.range(reader.len())?;
        let mut values = Values::zeros(len, what)?;
        reader.read(&array, &mut values)?;
        Ok(Rows::Own(values))
    }

    /// An error if values at `range` are damaged.
    #[inline]
    pub(crate) fn check(&self, range: Range<usize>) -> Result<()> {
        match self {
            Rows::Own(_) => Ok(()),
            Rows::Saved(saved) => saved.check(range),
        }
    }

    /// Whether a check may fail.
    pub(crate) fn may_be_damaged(&self) -> bool {
        matches!(self, Rows::Saved(_))
    }

    /// Bytes of memory of its own.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Rows::Own(values) => size_of_val(&values[..]),
            Rows::Saved(saved) => saved.sound.len() * (size_of::<AtomicBool>() + size_of::<u64>()),
        }
    }

    /// The values, to be changed: copied, and checked, if they are elsewhere.
    pub(crate) fn own(&mut self) -> Result<&mut Values> {
        if let Rows::Saved(saved) = &*self {
            saved.check(0..self.len())?;
            let mut values = Values::zeros(self.len(), "the factor V")?;
            values.copy_from_slice(self);
            *self = Rows::Own(values);
        }
        match self {
            Rows::Own(values) => Ok(values),
            Rows::Saved(_) => unreachable!("made its own above"),
        }
    }
}

impl SavedRows {
    fn check(&self, range: Range<usize>) -> Result<()> {
        const VALUES: usize = CHUNK / size_of::<f64>();
        for chunk in range.start / VALUES..range.end.div_ceil(VALUES) {
            // Two threads may both check a chunk, and find the same.
            if !self.sound[chunk].load(Ordering::Relaxed) {
                let bytes = &(*self.bytes).as_ref()[self.range.clone()];
                self.array.check(chunk, &bytes[chunk * CHUNK..((chunk + 1) * CHUNK).min(bytes.len())])?;
                self.sound[chunk].store(true, Ordering::Relaxed);
            }
        }
        Ok(())
    }
}

impl Deref for Rows {
    type Target = [f64];

    #[inline]
    fn deref(&self) -> &[f64] {
        match self {
            Rows::Own(values) => values,
            Rows::Saved(saved) => bytemuck::cast_slice(&(*saved.bytes).as_ref()[saved.range.clone()]),
        }
    }
}
