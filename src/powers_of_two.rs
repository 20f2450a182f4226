//! Powers of two, which doubles may be multiplied by without rounding.

/// 2^e, e moved into the range of normal numbers.
pub(crate) const fn power_of_two(e: i32) -> f64 {
    let e = if e < -1022 {
        -1022
    } else if e > 1023 {
        1023
    } else {
        e
    };
    f64::from_bits(((e + 1023) as u64) << 52)
}

/// floor(log2(abs(x))) of a number other than 0; of that -1023.
pub(crate) fn exponent(x: f64) -> i32 {
    let stored = |x: f64| (x.to_bits() >> 52 & 0x7ff) as i32 - 1023;
    if x.is_subnormal() { stored(x * power_of_two(64)) - 64 } else { stored(x) }
}

/// x 2^e, in steps that leave the range of doubles only where the result does.
pub(crate) fn times_power_of_two(x: f64, e: i32) -> f64 {
    let third = e / 3;
    x * power_of_two(third) * power_of_two(third) * power_of_two(e - 2 * third)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents_and_powers_of_two_are_those_of_all_doubles() {
        for e in -1074..1024 {
            let x = times_power_of_two(1.0, e);
            assert_eq!(exponent(x), e);
            assert_eq!(exponent(-x), e);
            assert!(e < -1022 || x == power_of_two(e));
        }
        assert_eq!(times_power_of_two(5e-324, 2000), power_of_two(926));
        assert_eq!(times_power_of_two(f64::MAX, -1500), f64::MAX * power_of_two(-750) * power_of_two(-750));
    }
}
