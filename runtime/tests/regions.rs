//! A session over several pieces of RAM computes what it computes in one, wherever these are.

#[path = "../format/tests/common/mod.rs"]
mod common;

use common::lockstep::{apart, in_regions, lockstep};
use common::noise;
use mote_format::{AlignedBytes, ModelWriter, RegionSpec};
use mote_runtime::{Model, RegionTooSmall, Session};

/// The outputs of some inferences, the first input pushed row by row.
fn infer<'m, const R: usize>(
    model: &'m Model<'m>,
    mut session: Session<'m, '_, Model<'m>, R>,
) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for seed in 0..4 {
        for (i, x) in model.inputs().enumerate().skip(1) {
            let bytes = noise(10 * seed + i as u64, x.bytes());
            session.input_mut(i).expect("an input").bytes_mut().copy_from_slice(&bytes);
        }
        let x = model.inputs().next().expect("an input");
        assert_eq!(session.push_rows(&noise(seed, x.bytes())), Ok(0));
        all.extend(session.outputs().map(|o| o.bytes().to_vec()));
    }
    all
}

/// In one arena and in `R` regions.
fn compare<const R: usize>(writer: &ModelWriter) -> Vec<Vec<u8>> {
    let bytes = writer.finish();
    let model = Model::new_checked(&bytes).unwrap_or_else(|e| panic!("{e}"));
    let mut arena = noise(5, model.arena_bytes());
    let one = infer(&model, Session::new(&model, &mut arena).expect("large enough"));
    let mut regions: Vec<Vec<u8>> =
        model.format().regions().map(|region| noise(region.start as u64, region.len() + 3)).collect();
    let slices: Vec<&mut [u8]> = regions.iter_mut().map(Vec::as_mut_slice).collect();
    let slices: [&mut [u8]; R] = slices.try_into().expect("as many");
    assert_eq!(infer(&model, Session::in_regions(&model, slices).expect("large enough")), one);
    one
}

fn region(end: u32) -> RegionSpec {
    RegionSpec { name: String::new(), moved: 0, cost: 1, end }
}

/// Wherever the borders lie between buffers, and with input rows that come one by one.
#[test]
fn borders_between_any_buffers() {
    for fed in [false, true] {
        let plain = lockstep(fed);
        let expected = compare::<1>(&plain);
        let tensors = plain.tensors.iter().map(|t| t.offset);
        let starts: Vec<u32> = tensors.chain(plain.steps.iter().map(|s| s.scratch.0)).collect();
        for (&a, &b) in starts.iter().flat_map(|a| starts.iter().map(move |b| (a, b))).filter(|(a, b)| a <= b)
        {
            let mut writer = plain.clone();
            writer.regions = vec![region(a), region(b), region(writer.arena)];
            assert_eq!(compare::<3>(&writer), expected, "{a} {b}");
        }
    }
}

/// Every operator in a region that does not start at the arena's first byte.
#[test]
fn behind_another_region() {
    for (name, model) in common::MODELS {
        let mut writer = model();
        if name == "v1-regions" {
            continue;
        }
        writer.tensors.iter_mut().for_each(|t| t.offset += 64);
        writer.steps.iter_mut().for_each(|s| s.scratch.0 += 64);
        writer.arena += 64;
        writer.regions = vec![region(64), region(writer.arena)];
        compare::<2>(&writer);
    }
}

/// Inputs of one step in different regions.
#[test]
fn operands_in_different_regions() {
    let mut writer = common::zoo::zoo().place();
    let mut end = 0;
    for tensor in &mut writer.tensors {
        tensor.offset = end;
        end += (tensor.dims.iter().product::<u32>() * tensor.dtype.size() as u32).next_multiple_of(4);
    }
    let scratch = end;
    for step in &mut writer.steps {
        step.scratch.0 = end;
        end += step.scratch.1.next_multiple_of(4);
    }
    writer.arena = end;
    let expected = compare::<1>(&writer);
    for half in 1..writer.tensors.len() {
        let border = writer.tensors[half].offset;
        writer.regions = vec![region(border), region(scratch), region(end)];
        assert_eq!(compare::<3>(&writer), expected, "{half}");
    }
}

#[test]
fn small_and_missing_regions_are_refused() {
    let bytes = in_regions().finish();
    let model = Model::new_checked(&bytes).expect("a model");
    let lengths: Vec<usize> = model.format().regions().map(|r| r.len()).collect();
    let [a, b, c] = lengths[..] else { panic!("three regions") };
    let refused = |a: usize, b: usize, c: usize| {
        let mut ram = [vec![0; a], vec![0; b], vec![0; c]];
        Session::in_regions(&model, ram.each_mut().map(|ram| &mut ram[..])).err()
    };
    assert_eq!(refused(a, b, c), None);
    assert_eq!(refused(a, b - 1, c), Some(RegionTooSmall { region: 1, needed: b, given: b - 1 }));
    let mut ram = [vec![0; a], vec![0; b]];
    let error = Session::in_regions(&model, ram.each_mut().map(|ram| &mut ram[..])).err().expect("refused");
    assert_eq!(error, RegionTooSmall { region: 2, needed: c, given: 0 });
    assert!(error.to_string().contains("region 2"));
    let mut ram = [vec![0; a], vec![0; b], vec![0; c], Vec::new()];
    assert!(Session::in_regions(&model, ram.each_mut().map(|ram| &mut ram[..])).is_ok());
}

/// A buffer across a border is no buffer of a region.
#[test]
fn buffers_across_borders_are_refused() {
    let mut writer = lockstep(false);
    apart(&mut writer);
    for (id, tensor) in writer.tensors.clone().iter().enumerate() {
        writer.regions = vec![region(tensor.offset + 4), region(writer.arena)];
        let error = Model::new_checked(&AlignedBytes::new(&writer.finish())).err();
        let error = error.unwrap_or_else(|| panic!("tensor {id}: accepted"));
        assert_eq!(error.reason, mote_runtime::Reason::OutsideArena);
    }
}
