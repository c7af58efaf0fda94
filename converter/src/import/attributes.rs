//! Typed access to a node's attributes. An attribute of another type than ONNX says is an error,
//! never a default.

use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::{AttributeProto, NodeProto};

/// One node being lowered.
pub(crate) struct Call<'a> {
    /// Unique name, for messages and for the graph.
    pub(crate) name: String,
    /// The node.
    pub(crate) pb: &'a NodeProto,
}

impl<'a> Call<'a> {
    fn attribute(&self, name: &str, kind: AttributeType) -> Result<Option<&'a AttributeProto>, String> {
        match self.pb.attribute.iter().find(|a| a.name == name) {
            None => Ok(None),
            // Exporters of the first ONNX version left the type out.
            Some(a) if a.r#type == kind as i32 || a.r#type == 0 => Ok(Some(a)),
            Some(_) => Err(format!("its attribute {name} is not {}", kind.as_str_name())),
        }
    }

    /// An integer.
    pub(crate) fn int(&self, name: &str) -> Result<Option<i64>, String> {
        Ok(self.attribute(name, AttributeType::Int)?.map(|a| a.i))
    }

    /// A switch: 0 or 1.
    pub(crate) fn flag(&self, name: &str, default: bool) -> Result<bool, String> {
        Ok(self.int(name)?.map_or(default, |i| i != 0))
    }

    /// A list of integers.
    pub(crate) fn ints(&self, name: &str) -> Result<Option<&'a [i64]>, String> {
        Ok(self.attribute(name, AttributeType::Ints)?.map(|a| a.ints.as_slice()))
    }

    /// A finite number.
    pub(crate) fn float(&self, name: &str, default: f32) -> Result<f32, String> {
        match self.attribute(name, AttributeType::Float)?.map(|a| a.f) {
            None => Ok(default),
            Some(f) if f.is_finite() => Ok(f),
            Some(f) => Err(format!("its attribute {name} is {f}")),
        }
    }

    /// A text.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&'a str>, String> {
        match self.attribute(name, AttributeType::String)? {
            None => Ok(None),
            Some(a) => {
                std::str::from_utf8(&a.s).map(Some).map_err(|_| format!("its attribute {name} is not a text"))
            }
        }
    }

    /// Two or one whole numbers for height and width; one means a one-dimensional operator, whose
    /// height is `lone`.
    pub(crate) fn pair(&self, name: &str, rank: usize, lone: usize) -> Result<Option<[usize; 2]>, String> {
        let Some(list) = self.ints(name)? else { return Ok(None) };
        let number = |i: i64| {
            usize::try_from(i).ok().filter(|&n| (1..=1 << 16).contains(&n)).ok_or_else(|| {
                format!("its attribute {name} is {list:?}, where numbers from 1 to 65536 are expected")
            })
        };
        match *list {
            [w] if rank == 1 => Ok(Some([lone, number(w)?])),
            [h, w] if rank == 2 => Ok(Some([number(h)?, number(w)?])),
            _ => Err(format!("its attribute {name} is {list:?} for {rank} image axes")),
        }
    }
}

/// `axis`, counted from the end when negative, within `rank`.
pub(crate) fn axis_within(axis: i64, rank: usize) -> Result<usize, String> {
    let signed = i64::try_from(rank).unwrap_or(i64::MAX);
    let counted = if axis < 0 { axis.checked_add(signed) } else { Some(axis) };
    counted
        .filter(|a| (0..signed).contains(a))
        .and_then(|a| usize::try_from(a).ok())
        .ok_or_else(|| format!("axis {axis} of a tensor with {rank} axes"))
}
