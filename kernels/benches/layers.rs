//! Times layers of real networks on one thread, on every instruction set of this machine, as a host runs them: with packed
//! weights where the layer has that form. `cargo bench -p mote-peers --bench layers -- avx2/ic` times some of them.

#[path = "../../runtime/format/tests/common/mod.rs"]
mod common;
#[path = "../tests/differential/shapes.rs"]
mod shapes;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mote_format::{Model, Rounding};
use mote_kernels::packed::{Packed, Threads};
use mote_kernels::table::{self, Kernels};
use mote_kernels::view::{Io, View, ViewMut};

fn layers(criterion: &mut Criterion) {
    let one = Threads::new(1);
    for kernels in Kernels::available() {
        for layer in shapes::LAYERS {
            let (builder, inputs) = layer.step(Rounding::Double);
            let bytes = builder.finish();
            let model = Model::new_checked(&bytes).expect("a model");
            let step = model.steps().next().expect("one step");
            let tensor = |id| model.tensor(id).expect("checked");
            let (x, y): (Vec<_>, _) = (step.inputs.iter().map(tensor).collect(), tensor(step.output));
            let quant = common::builder::quant(0.1, -3);
            let given = |(x, bytes)| View { shape: x, quant: &quant, bytes };
            let shapes = x.iter().map(|x| &x.shape);
            let views: Vec<View<'_>> = shapes.zip(inputs.iter().map(Option::as_deref)).map(given).collect();
            let mut scratch = vec![0; table::scratch(&step.op, &x[0].shape, &y.shape)];
            let mut out = vec![0; y.bytes()];
            let constants = model.constants();
            let y_view = ViewMut { shape: &y.shape, quant: &y.quant, bytes: &mut [] };
            let shown = Io { x: &views, y: y_view, states: Default::default(), scratch: &mut [], constants };
            let packed = Packed::new(kernels.name(), &step.op, &shown);
            let mut run = || {
                let y = ViewMut { shape: &y.shape, quant: &y.quant, bytes: &mut out };
                let mut io =
                    Io { x: &views, y, states: Default::default(), scratch: &mut scratch, constants };
                match &packed {
                    Some(packed) => {
                        packed.run([0, 1].map(|i| io.x.get(i).map_or(&[][..], View::i8s)), io.y.i8s(), &one)
                    }
                    None => kernels.run(&step.op, io),
                }
            };
            let mut group = criterion.benchmark_group(kernels.name());
            group.throughput(Throughput::Elements(layer.work()));
            group.bench_function(BenchmarkId::new(layer.network, layer.name()), |timed| timed.iter(&mut run));
        }
    }
}

criterion_group!(benches, layers);
criterion_main!(benches);
