//! Ranges of values: what is allowed, in words and as a schema's bounds.

use std::fmt::Display;
use std::ops::{Range, RangeFrom, RangeInclusive};

/// The ends of a range, for a schema.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bounds {
    /// The smallest value allowed.
    pub at_least: Option<f64>,
    /// The largest value allowed.
    pub at_most: Option<f64>,
    /// The value all allowed ones are below.
    pub below: Option<f64>,
}

/// What a key's value, or each entry of a list, is held to.
pub trait Limit<T> {
    /// Whether a value is allowed.
    fn allows(&self, value: &T) -> bool;
    /// What a value must be: the end of `… is 0, but must be`.
    fn words(&self) -> String;
    /// The ends, where they are numbers.
    fn bounds(&self) -> Bounds;
}

/// Numbers that have ranges.
pub trait Number: PartialOrd + Copy + Display {
    /// The number as a float, for a schema.
    fn approximate(self) -> f64;
    /// What at least this much is called.
    fn at_least(self) -> String;
}

macro_rules! whole_numbers {
    ($($number:ty),*) => {$(
        impl Number for $number {
            fn approximate(self) -> f64 {
                self as f64
            }
            fn at_least(self) -> String {
                format!("a whole number of at least {self}")
            }
        }
    )*};
}

whole_numbers!(u64, usize, i64);

macro_rules! small_numbers {
    ($($number:ty),*) => {$(
        impl Number for $number {
            fn approximate(self) -> f64 {
                f64::from(self)
            }
            fn at_least(self) -> String {
                format!("a whole number of at least {self}")
            }
        }
    )*};
}

small_numbers!(u8, u16, u32, i32);

impl Number for f64 {
    fn approximate(self) -> f64 {
        self
    }

    fn at_least(self) -> String {
        format!("{self} or more")
    }
}

impl<T: Number> Limit<T> for RangeInclusive<T> {
    fn allows(&self, value: &T) -> bool {
        self.contains(value)
    }

    fn words(&self) -> String {
        format!("from {} to {}", self.start(), self.end())
    }

    fn bounds(&self) -> Bounds {
        let (start, end) = (self.start().approximate(), self.end().approximate());
        Bounds { at_least: Some(start), at_most: Some(end), below: None }
    }
}

impl<T: Number> Limit<T> for RangeFrom<T> {
    fn allows(&self, value: &T) -> bool {
        self.contains(value) && value.approximate().is_finite()
    }

    fn words(&self) -> String {
        self.start.at_least()
    }

    fn bounds(&self) -> Bounds {
        Bounds { at_least: Some(self.start.approximate()), ..Bounds::default() }
    }
}

impl Limit<f64> for Range<f64> {
    fn allows(&self, value: &f64) -> bool {
        self.contains(value)
    }

    fn words(&self) -> String {
        format!("at least {} and below {}", self.start, self.end)
    }

    fn bounds(&self) -> Bounds {
        Bounds { at_least: Some(self.start), at_most: None, below: Some(self.end) }
    }
}
