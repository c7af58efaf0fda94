//! Shapes of the model's inputs: what the user gave, what the file says, and what is left open.

use crate::error::{Error, Result};
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::{TensorShapeProto, ValueInfoProto, type_proto};

/// Shapes given for the model's inputs on the command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InputShapes(Vec<(Option<String>, Vec<usize>)>);

impl InputShapes {
    /// Reads `1,3,224,224` (for the only input) or `name:1,3,224,224`, one text an input. `x` is
    /// accepted in place of the comma.
    pub fn parse<S: AsRef<str>>(texts: &[S]) -> Result<Self> {
        texts.iter().map(|t| parse_one(t.as_ref())).collect::<Result<_>>().map(InputShapes)
    }

    /// One shape, for the only input.
    pub fn only(shape: &[usize]) -> Self {
        InputShapes(vec![(None, shape.to_vec())])
    }

    /// Whether none was given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Replaces the shapes of `inputs` (the model's real inputs) by fixed ones.
    pub(crate) fn apply(&self, inputs: &mut [&mut ValueInfoProto]) -> Result<()> {
        let names: Vec<String> = inputs.iter().map(|i| i.name.clone()).collect();
        self.check_names(&names)?;
        let mut open = Vec::new();
        for input in inputs.iter_mut() {
            let given = self
                .0
                .iter()
                .find(|(name, _)| name.as_ref().is_none_or(|n| *n == input.name))
                .map(|(_, shape)| shape.as_slice());
            let dims = declared(input);
            match fixed(dims.as_deref(), given) {
                Ok(shape) => fix(input, &shape),
                Err(Open::Unknown) => open.push(describe(&input.name, dims.as_deref())),
                Err(Open::Conflict(cause)) => {
                    return Err(Error::new("the given input shape does not fit the model")
                        .at(format!("input \"{}\"", input.name))
                        .cause(cause)
                        .remedy("give a shape that agrees with the fixed dimensions of the model"));
                }
            }
        }
        if open.is_empty() { Ok(()) } else { Err(dynamic(&open)) }
    }

    fn check_names(&self, names: &[String]) -> Result<()> {
        let listed = || names.iter().map(|n| format!("\"{n}\"")).collect::<Vec<_>>().join(", ");
        let fail = |cause: String| {
            Err(Error::new("the given input shape names no input of the model")
                .cause(cause)
                .remedy(format!("inputs of this model: {}", listed())))
        };
        for (name, shape) in &self.0 {
            match name {
                None if names.len() != 1 => {
                    return fail(format!("a shape without a name, but there are {} inputs", names.len()));
                }
                Some(name) if !names.contains(name) => return fail(format!("there is no input \"{name}\"")),
                _ => {}
            }
            if shape.is_empty() || shape.contains(&0) {
                return fail(format!("{shape:?} has no elements"));
            }
        }
        Ok(())
    }
}

fn parse_one(text: &str) -> Result<(Option<String>, Vec<usize>)> {
    // The last colon: tensor names such as "serving_default_x:0" hold colons themselves.
    let (name, dims) = match text.rsplit_once(':') {
        Some((name, dims)) => (Some(name.to_owned()), dims),
        None => (None, text),
    };
    let shape: Option<Vec<usize>> =
        dims.split([',', 'x']).map(|d| d.trim().parse().ok().filter(|&d: &usize| d > 0)).collect();
    match shape {
        Some(shape) => Ok((name, shape)),
        None => Err(Error::new("cannot read the input shape")
            .at(format!("\"{text}\""))
            .cause("a shape is a list of positive whole numbers")
            .remedy("write it like 1,3,224,224 or like name:1,3,224,224")),
    }
}

/// Declared dimensions; `Err` holds the symbol of an open one.
type Declared = Vec<Result<usize, String>>;

enum Open {
    Unknown,
    Conflict(String),
}

fn declared(input: &ValueInfoProto) -> Option<Declared> {
    let type_proto::Value::TensorType(tensor) = input.r#type.as_ref()?.value.as_ref()?;
    let dims = &tensor.shape.as_ref()?.dim;
    Some(
        dims.iter()
            .map(|d| match &d.value {
                Some(dimension::Value::DimValue(v)) => {
                    usize::try_from(*v).ok().filter(|&v| v > 0).ok_or_else(|| v.to_string())
                }
                Some(dimension::Value::DimParam(name)) if !name.is_empty() => Err(name.clone()),
                _ => Err("?".to_owned()),
            })
            .collect(),
    )
}

fn fixed(declared: Option<&[Result<usize, String>]>, given: Option<&[usize]>) -> Result<Vec<usize>, Open> {
    match (declared, given) {
        (None, None) => Err(Open::Unknown),
        (None, Some(given)) => Ok(given.to_vec()),
        (Some(declared), None) => declared
            .iter()
            .enumerate()
            .map(|(axis, dim)| match dim {
                Ok(dim) => Ok(*dim),
                Err(_) if axis == 0 && declared.len() > 1 => Ok(1),
                Err(_) => Err(Open::Unknown),
            })
            .collect(),
        (Some(declared), Some(given)) => {
            let fits = declared.len() == given.len()
                && declared.iter().zip(given).all(|(d, g)| d.as_ref().map_or(true, |d| d == g));
            if fits {
                Ok(given.to_vec())
            } else {
                Err(Open::Conflict(format!("given {given:?}, the model says {}", dims_text(declared))))
            }
        }
    }
}

fn fix(input: &mut ValueInfoProto, shape: &[usize]) {
    let Some(type_proto::Value::TensorType(tensor)) = input.r#type.as_mut().and_then(|t| t.value.as_mut())
    else {
        return;
    };
    let dim = |&d: &usize| Dimension {
        value: Some(dimension::Value::DimValue(i64::try_from(d).unwrap_or(i64::MAX))),
        ..Dimension::default()
    };
    tensor.shape = Some(TensorShapeProto { dim: shape.iter().map(dim).collect() });
}

fn dims_text(dims: &[Result<usize, String>]) -> String {
    let dims: Vec<String> =
        dims.iter().map(|d| d.as_ref().map_or_else(|s| s.clone(), |d| d.to_string())).collect();
    format!("[{}]", dims.join(", "))
}

fn describe(name: &str, dims: Option<&[Result<usize, String>]>) -> String {
    match dims {
        Some(dims) => format!("input \"{name}\" has shape {}", dims_text(dims)),
        None => format!("input \"{name}\" has no shape at all"),
    }
}

fn dynamic(open: &[String]) -> Error {
    Error::new("the model's input shape is not fixed")
        .cause(open.join("\n"))
        .remedy("give every dimension, e.g. --input-shape 1,3,224,224 (with several inputs: --input-shape name:1,3,224,224)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_with_and_without_names() {
        let shapes = InputShapes::parse(&["1,3,8,8", "a:0:2x4"]).unwrap();
        assert_eq!(shapes.0, [(None, vec![1, 3, 8, 8]), (Some("a:0".to_owned()), vec![2, 4])]);
        for bad in ["", "1,,2", "1,-2", "name:", "1,0"] {
            assert!(InputShapes::parse(&[bad]).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_a_leading_symbol_is_a_batch() {
        let sym = || Err("N".to_owned());
        assert_eq!(fixed(Some(&[sym(), Ok(3)]), None).ok(), Some(vec![1, 3]));
        assert!(fixed(Some(&[Ok(1), sym()]), None).is_err());
        assert_eq!(fixed(Some(&[Ok(1), sym()]), Some(&[1, 9])).ok(), Some(vec![1, 9]));
        assert!(fixed(Some(&[Ok(1), sym()]), Some(&[2, 9])).is_err());
    }
}
