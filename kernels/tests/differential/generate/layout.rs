//! Operators that move elements.

use super::*;

pub(crate) fn concat(d: &mut Draw<'_>) -> Case {
    let mut b = Builder::default();
    let mut y = dims(d, 1, 6, 4);
    let dtype = d.pick(&[DType::I8, DType::I8, DType::I16]);
    let axis = d.range(0, y.len() as u32 - 1) as usize;
    let (mut ids, mut inputs, mut sum) = (Vec::new(), Vec::new(), 0);
    for _ in 0..d.range(1, 8) {
        let mut x = y.clone();
        x[axis] = d.range(1, 9);
        sum += x[axis];
        let bytes = d.bytes(volume(&x) * dtype.size());
        if dtype == DType::I8 && d.once_in(5) {
            ids.push(b.constant("c", &bytes, &x, quant(0.1, 0)));
            inputs.push(None);
        } else {
            ids.push(b.input("x", dtype, &x, quant(0.1, 0)));
            inputs.push(Some(bytes));
        }
    }
    if inputs.iter().all(Option::is_none) {
        b.input("unused", DType::I8, &[1], quant(1.0, 0));
    }
    y[axis] = sum;
    let output = b.step(Op::Concat(Concat { axis: axis as u8 }), &ids, (dtype, &y, quant(0.1, 0)), 0);
    b.output(output);
    Case::new(b, inputs)
}

pub(crate) fn pad(d: &mut Draw<'_>) -> Case {
    let x = dims(d, 0, 6, 4);
    let mut before = [0u16; 6];
    let mut y = Vec::new();
    for (before, &n) in before.iter_mut().zip(&x) {
        *before = d.pick(&[0, 0, 1, 2]) as u16;
        y.push(n + u32::from(*before) + d.pick(&[0, 0, 1, 2]));
    }
    let dtype = d.pick(&[DType::I8, DType::I8, DType::I16]);
    let value = if dtype == DType::I8 { d.any() as i8 } else { 0 };
    moved(d, Builder::default(), Op::Pad(Pad { before, value }), dtype, &x, &y)
}

pub(crate) fn reshape(d: &mut Draw<'_>) -> Case {
    let x = dims(d, 0, 6, 5);
    let y = [volume(&x) as u32];
    let dtype = d.pick(&[DType::I8, DType::I32, DType::F32]);
    moved(d, Builder::default(), Op::Reshape(Reshape {}), dtype, &x, &y)
}

pub(crate) fn transpose(d: &mut Draw<'_>) -> Case {
    let x = dims(d, 0, 6, 5);
    let mut left: Vec<u8> = (0..x.len() as u8).collect();
    let mut perm = [0u8; 6];
    for p in &mut perm[..x.len()] {
        *p = left.remove(d.any() as usize % left.len());
    }
    let y: Vec<u32> = perm[..x.len()].iter().map(|&p| x[usize::from(p)]).collect();
    unary(d, Builder::default(), Op::Transpose(Transpose { perm }), &x, &y, quant(0.1, 0))
}

pub(crate) fn strided_copy(d: &mut Draw<'_>) -> Case {
    let x = dims(d, 0, 4, 6);
    let elements = volume(&x) as i64;
    let (mut walk, mut steps, mut span) = ([1u32; 6], [0i32; 6], (0i64, 0i64));
    // Innermost first: each dimension is as long as fits behind those drawn so far.
    for (dim, step) in walk.iter_mut().zip(&mut steps).rev().take(d.range(0, 6) as usize) {
        let s = d.pick(&[1, 1, 2, 3, -1, -2, 0, 5, -7, 24]);
        let room = elements - 1 - (span.1 - span.0);
        let most = if s == 0 { 3 } else { (room / i64::from(s).abs()).min(5) };
        *dim = d.range(1, most as u32 + 1);
        *step = s;
        let reach = i64::from(*dim - 1) * i64::from(s);
        span = (span.0 + reach.min(0), span.1 + reach.max(0));
    }
    let start = d.range(-span.0 as u32, (elements - 1 - span.1) as u32);
    let y = [walk.iter().product()];
    let dtype = d.pick(&[DType::I8, DType::I8, DType::I16, DType::I32, DType::F32, DType::U8]);
    let op = Op::StridedCopy(StridedCopy { start, dims: walk, steps });
    moved(d, Builder::default(), op, dtype, &x, &y)
}

pub(crate) fn gather(d: &mut Draw<'_>) -> Case {
    let mut b = Builder::default();
    let x = dims(d, 1, 5, 6);
    let axis = d.range(0, x.len() as u32 - 1) as usize;
    let count = d.range(1, 8);
    let indices: Vec<u8> = (0..count).flat_map(|_| (d.range(0, x[axis] - 1) as u16).to_le_bytes()).collect();
    let mut y = x.clone();
    y[axis] = count;
    let dtype = d.pick(&[DType::I8, DType::I8, DType::I16, DType::I32, DType::F32, DType::U8]);
    let op = Op::Gather(Gather { axis: axis as u8, indices: b.i8s(&indices) });
    moved(d, b, op, dtype, &x, &y)
}

/// A step that moves elements of any type.
fn moved(d: &mut Draw<'_>, mut b: Builder, op: Op, dtype: DType, x: &[u32], y: &[u32]) -> Case {
    let input = b.input("x", dtype, x, quant(0.1, 0));
    let output = b.step(op, &[input], (dtype, y, quant(0.1, 0)), 0);
    b.output(output);
    Case::new(b, vec![Some(d.bytes(volume(x) * dtype.size()))])
}
