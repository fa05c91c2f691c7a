//! Samples that a program makes itself: data of a recipe of one's own.

use crate::batch::{Batch, DType, HostTensor};
use crate::error::DataError;
use crate::numbered::NumberedSource;
use crate::order::Split;
use crate::source::{DataInfo, TensorInfo, Unit};

/// Share of the samples that is kept for validation.
const VALIDATION: f64 = 0.2;

/// The features of a sample and its class, from its number.
type Make = Box<dyn Fn(u64) -> (Vec<f32>, i32) + Send + Sync>;

/// A fixed number of samples, each made from its number when it is asked for: a tensor
/// `[rows, shape…]` f32, and `targets` `[rows]` i32 class numbers. A fifth is kept for validation.
///
/// ```
/// use trainyard_data::{Cursor, DataSource, Samples};
///
/// let parity = Samples::new("parity", "features", [1], 10, |n| (vec![n as f32], (n % 2) as i32))?;
/// assert_eq!(parity.info().samples, Some(8));
/// assert_eq!(parity.batch(Cursor::new(1), 4)?.rows, 4);
/// # Ok::<(), trainyard_data::DataError>(())
/// ```
pub struct Samples {
    make: Make,
    tensor: TensorInfo,
    split: Split,
    info: DataInfo,
}

impl Samples {
    /// `count` samples with a tensor of a name and a shape.
    ///
    /// # Errors
    /// [`DataError::TooFew`] where there is none left to learn from; [`DataError::BadValue`] where
    /// `make` gives another number of values than the shape has.
    pub fn new(
        name: &str,
        tensor: &str,
        shape: impl Into<Vec<usize>>,
        count: u64,
        make: impl Fn(u64) -> (Vec<f32>, i32) + Send + Sync + 'static,
    ) -> Result<Self, DataError> {
        let tensor = TensorInfo::new(tensor, shape, DType::F32);
        let split = Split::new(count, VALIDATION, name)?;
        let mut hash = blake3::Hasher::new();
        hash.update(format!("{name} {count} {:?}", tensor.row_shape).as_bytes());
        let mut classes = 0;
        for sample in 0..count {
            let (values, class) = make(sample);
            let elements: usize = tensor.row_shape.iter().product();
            if values.len() != elements || class < 0 {
                let given = format!("{} values of class {class}", values.len());
                let must = format!("{elements} values of a class from 0");
                return Err(DataError::bad_value(
                    &format!("sample {sample} of {name}"),
                    &given,
                    must,
                ));
            }
            for value in &values {
                hash.update(&value.to_le_bytes());
            }
            hash.update(&class.to_le_bytes());
            classes = classes.max(class + 1);
        }
        let info = DataInfo {
            name: name.to_owned(),
            fingerprint: hash.finalize().to_hex().to_string(),
            tensors: vec![tensor.clone(), TensorInfo::new("targets", [], DType::I32)],
            classes: (0..classes).map(|class| class.to_string()).collect(),
            vocabulary: Vec::new(),
            token_count: 0,
            samples: Some(split.training_samples()),
            validation_samples: Some(split.validation_samples()),
            items_per_row: 1,
            unit: Unit::Rows,
            remarks: Vec::new(),
        };
        Ok(Self { make: Box::new(make), tensor, split, info })
    }

    /// `count` images `[channels, height, width]` under the name `image`.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn images(
        name: &str,
        shape: [usize; 3],
        count: u64,
        make: impl Fn(u64) -> (Vec<f32>, i32) + Send + Sync + 'static,
    ) -> Result<Self, DataError> {
        Self::new(name, "image", shape, count, make)
    }
}

impl NumberedSource for Samples {
    fn parts(&self) -> (&DataInfo, &Split) {
        (&self.info, &self.split)
    }

    fn gather(&self, samples: impl Iterator<Item = u64>) -> Result<Batch, DataError> {
        let (mut values, mut targets) = (Vec::new(), Vec::new());
        for sample in samples {
            let (features, class) = (self.make)(sample);
            values.extend(features);
            targets.push(class);
        }
        let rows = targets.len();
        let shape = std::iter::once(rows).chain(self.tensor.row_shape.iter().copied()).collect();
        let tensors = vec![
            (self.tensor.name.clone(), HostTensor::F32 { shape, values }),
            ("targets".to_owned(), HostTensor::I32 { shape: vec![rows], values: targets }),
        ];
        Batch::new(tensors, rows)
    }
}
