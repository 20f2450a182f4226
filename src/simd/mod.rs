//! Vector kernels with run-time dispatch: AVX-512, AVX2+FMA, NEON or portable code, whichever the processor has.
//!
//! The kernels are written once, in safe code over the `pulp` crate's vector types. Every kernel computes each of
//! its results by a sequence of operations that does not depend on where in a block the result lies, so answers do
//! not depend on how work is cut into blocks.

pub(crate) mod affine;
pub(crate) mod boxes;
pub(crate) mod covariance;
pub(crate) mod cross_gram;
pub(crate) mod dots;
pub(crate) mod leaf;
pub(crate) mod residual;
pub(crate) mod rows;
pub(crate) mod spans;
pub(crate) mod squared;

use pulp::{Arch, Scalar, Simd as _, WithSimd};

/// The instruction set that kernels run with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Simd {
    /// The best that this processor has.
    Native(Arch),
    /// Plain code without vector instructions or fused multiply-add.
    Portable,
}

impl Simd {
    /// The best instruction set of this processor.
    pub(crate) fn detect() -> Self {
        Simd::Native(Arch::new())
    }

    /// Runs `op` with this instruction set.
    #[inline]
    pub(crate) fn run<Op: WithSimd>(self, op: Op) -> Op::Output {
        match self {
            Simd::Native(arch) => arch.dispatch(op),
            Simd::Portable => Scalar::new().vectorize(op),
        }
    }
}

/// `len` rounded up so that rows are whole vectors of every instruction set.
pub(crate) fn padded(len: usize) -> usize {
    len.next_multiple_of(16)
}
