//! Every operator on every instruction set that this machine has, against the naive loops: random shapes and values,
//! odd addresses, garbage in the scratch, guard bytes around everything and pages beside it that may not be touched.

#[path = "../../../runtime/format/tests/common/mod.rs"]
mod common;

mod case;
mod draw;
mod examples;
#[cfg(unix)]
mod fence;
mod generate;
mod shapes;

use mote_kernels::table::Kernels;
use proptest::prelude::*;

/// Runs the cases of one operator. A list of choices makes a case.
fn suite(cases: u32, generate: fn(&mut draw::Draw<'_>) -> case::Case) {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(cases);
    let config = ProptestConfig { cases, failure_persistence: None, ..Default::default() };
    let choices = prop::collection::vec(any::<u32>(), 100);
    proptest!(config, |(choices in choices)| {
        generate(&mut draw::Draw::new(&choices)).check();
    });
}

/// One test per row of the operator table.
macro_rules! suites {
    ($($name:ident $module:ident;)*) => {$(
        #[test]
        fn $module() {
            suite(CASES, generate::$module);
        }
    )*};
}
mote_format::for_each_op!(suites);

/// The examples worked out by hand, on the naive loops.
mod by_hand {
    macro_rules! by_hand {
        ($($name:ident $module:ident;)*) => {$(
            #[test]
            fn $module() {
                crate::examples::$module();
            }
        )*};
    }
    mote_format::for_each_op!(by_hand);
}

const CASES: u32 = 600;

/// Layers of real networks, the uppermost rows of each; neighbours in the list have different rounding profiles.
#[test]
fn layers_of_real_networks() {
    use mote_format::Rounding::{Double, Float, Single};
    for (layer, round) in shapes::LAYERS.iter().zip([Double, Single, Float].into_iter().cycle()) {
        println!("{} {}, {round:?}", layer.network, layer.name());
        let (builder, inputs) = layer.rows(4).step(round);
        case::Case::new(builder, inputs).check();
    }
}

/// A suite that ran without an instruction set proves nothing of it.
#[test]
fn the_instruction_sets_of_this_machine_are_tested() {
    let names: Vec<&str> = Kernels::available().map(Kernels::name).collect();
    assert_eq!(names.first(), Some(if cfg!(mote_arm_dsp) { &"arm-dsp" } else { &"scalar" }));
    #[cfg(target_arch = "x86_64")]
    assert_eq!(names.contains(&"avx2"), std::is_x86_feature_detected!("avx2"));
    if let Ok(best) = std::env::var("MOTE_REQUIRE_ISA") {
        assert_eq!(names.last(), Some(&best.as_str()));
    }
    println!("tested: {names:?}");
}

/// Sums that leave 32 bits wrap, on every set alike: such a model is wrong, but the same everywhere.
#[test]
fn sums_that_wrap() {
    use mote_format::{DType, FullyConnected, Op, Rounding};
    let mut b = common::builder::Builder::default();
    let (cin, cout) = (140_001, 5);
    let x = b.input("x", DType::I8, &[2, cin], common::builder::quant(1.0, 0));
    let op = FullyConnected {
        weights: b.i8s(&vec![0x80; (cin * cout) as usize]),
        bias: b.i32s(&[0, i32::MAX, i32::MIN, 1, -1]),
        requant: b.requant(Rounding::Double, &[1 << 30; 5], &[-24; 5]),
    };
    let y = (DType::I8, &[2, cout][..], common::builder::quant(1.0, 0));
    let y = b.step(Op::FullyConnected(op), &[x], y, 0);
    b.output(y);
    case::Case::new(b, vec![Some(vec![0x80; 2 * cin as usize])]).check();
}
