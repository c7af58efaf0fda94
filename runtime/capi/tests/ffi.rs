//! The C functions, called as C would: what they refuse, and that they give the bits of a session.

#![allow(unsafe_code)]

use std::ptr::{null, null_mut};

use mote_capi::ffi::*;
use mote_format::AlignedBytes;
use mote_runtime::{Model, Session};

const FILE: &[u8] = include_bytes!("../../format/tests/golden/v1.mote");

fn storage() -> Box<mote_session> {
    // SAFETY: words of any value; `mote_session_init` writes them.
    unsafe { Box::new(std::mem::zeroed()) }
}

fn code(error: mote_error) -> mote_code {
    error.code
}

#[test]
fn a_session_gives_the_bits_of_the_runtime() {
    let bytes = AlignedBytes::new(FILE);
    let model = Model::new_checked(&bytes).expect("a model");
    let mut arena = vec![0; model.arena_bytes()];
    let mut session = Session::new(&model, &mut arena).expect("room");

    let mut ours = storage();
    let (mut needed, mut memory) = (0, vec![0xAA; model.arena_bytes()]);
    // SAFETY: each pointer is to as many bytes as its length says, and they outlive the session.
    unsafe {
        assert_eq!(code(mote_model_check(bytes.as_ptr(), bytes.len(), &mut needed)), mote_code::MOTE_OK);
        assert_eq!(needed, memory.len());
        let error =
            mote_session_init(&mut *ours, bytes.as_ptr(), bytes.len(), memory.as_mut_ptr(), memory.len());
        assert_eq!(code(error), mote_code::MOTE_OK);
        for round in 0..3u8 {
            for i in 0.. {
                let mut info = std::mem::zeroed();
                let at = mote_input(&mut *ours, i, &mut info);
                let Some(mut input) = session.input_mut(i) else {
                    assert!(at.is_null());
                    break;
                };
                let whole = input.info().shape;
                assert_eq!(info.bytes, input.bytes_mut().len());
                assert_eq!(&info.dims[..info.rank as usize], whole.dims());
                let reals = (0..whole.elements()).map(|k| (k % 19) as f32 / 4.0 - f32::from(round));
                input.fill(reals);
                std::slice::from_raw_parts_mut(at, info.bytes).copy_from_slice(input.bytes_mut());
            }
            session.run();
            mote_run(&mut *ours);
            for (i, output) in session.outputs().enumerate() {
                let mut info = std::mem::zeroed();
                let at = mote_output(&mut *ours, i, &mut info);
                assert_eq!(std::slice::from_raw_parts(at, info.bytes), output.bytes(), "output {i}");
            }
            assert!(mote_output(&mut *ours, 99, null_mut()).is_null());
        }
        mote_reset(&mut *ours);
    }
}

#[test]
fn what_is_wrong_is_told_by_code_and_place() {
    let bytes = AlignedBytes::new(FILE);
    let mut damaged = AlignedBytes::new(FILE);
    damaged[100] ^= 1;
    let (mut ours, mut arena) = (storage(), [0u8; 64]);
    // SAFETY: as above; null pointers are refused.
    unsafe {
        let mut init = |model: *const u8, len, arena: *mut u8, room| {
            mote_session_init(&mut *ours, model, len, arena, room)
        };
        let small = init(bytes.as_ptr(), bytes.len(), arena.as_mut_ptr(), arena.len());
        assert_eq!(code(small), mote_code::MOTE_ARENA);
        assert_eq!(small.detail as usize, Model::new_checked(&bytes).expect("a model").arena_bytes());
        let null_arena = init(bytes.as_ptr(), bytes.len(), null_mut(), 4096);
        assert_eq!(code(null_arena), mote_code::MOTE_POINTER);
        let null_model = init(null(), 100, arena.as_mut_ptr(), 64);
        assert_eq!(code(null_model), mote_code::MOTE_POINTER);
        let cut = init(bytes.as_ptr(), bytes.len() - 1, arena.as_mut_ptr(), 64);
        assert_eq!((code(cut), cut.detail as usize), (mote_code::MOTE_TRUNCATED, bytes.len()));
        let skew = init(bytes.as_ptr().add(4), bytes.len() - 4, arena.as_mut_ptr(), 64);
        assert_eq!(code(skew), mote_code::MOTE_NOT_A_MODEL);
        let checksum = mote_model_check(damaged.as_ptr(), damaged.len(), null_mut());
        assert_eq!((code(checksum), checksum.at), (mote_code::MOTE_CHECKSUM, 12));
        let nobody = mote_session_init(null_mut(), bytes.as_ptr(), bytes.len(), arena.as_mut_ptr(), 64);
        assert_eq!(code(nobody), mote_code::MOTE_POINTER);
        assert!(mote_input(null_mut(), 0, null_mut()).is_null());
        mote_run(null_mut());
    }
}

mod included {
    mote_runtime::include_model!(pub(super) Zoo = "../../format/tests/golden/v1.mote");
    mote_capi::export!("zoo_of_a_test", Zoo);

    unsafe extern "C" {
        pub(super) fn zoo_of_a_test_run(arena: *mut u8);
        pub(super) fn zoo_of_a_test_reset(arena: *mut u8);
    }
}

#[test]
fn an_included_model_has_c_names() {
    let mut expected = mote_runtime::Arena::<{ included::Zoo::ARENA }>::new();
    let mut arena = mote_runtime::Arena::<{ included::Zoo::ARENA }>::new();
    included::Zoo::session(&mut expected).run();
    // SAFETY: the arena has the model's size.
    unsafe {
        included::zoo_of_a_test_reset(arena.0.as_mut_ptr());
        included::zoo_of_a_test_run(arena.0.as_mut_ptr());
        included::zoo_of_a_test_run(null_mut());
    }
    assert_eq!(arena.0, expected.0);
}
