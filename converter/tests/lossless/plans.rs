//! Random networks under every kind of memory plan: whole, the smallest, everything between, and fed by rows.

use crate::builder::{Net, inputs};
use mote_converter::encode::{Metadata, encode};
use mote_converter::infer::infer;
use mote_converter::plan::{Plan, Region, Request, plan};
use mote_converter::program::{Operand, Program};
use mote_converter::timeline::Timeline;
use mote_kernels::table::Kernels;
use mote_runtime::{Model, Session};

/// A tall image, then layers that go row by row, with skips, and a dense layer.
fn network(seed: u64) -> Program {
    let mut net = Net::new(seed, &[1, 14, 4, 2]);
    let mut images = vec![net.conv(0, 3, (3, 1 + (seed % 2) as u8, 1), |_, _| {})];
    for _ in 0..3 + net.random.below(7) {
        let back = 1 + net.random.below(images.len().min(3));
        let x = images[images.len() - back];
        let like = images.iter().copied().filter(|&t| net.dims(t) == net.dims(x)).collect::<Vec<_>>();
        let other = like[net.random.below(like.len())];
        let tall = net.dims(x)[1] > 3 && net.dims(x)[2] > 1;
        let (channels, stride) = (1 + net.random.below(6), 1 + net.random.below(2) as u8);
        images.push(match net.random.below(12) {
            0..=2 if tall => net.conv(x, channels, (3, stride, 1), |_, _| {}),
            3 | 4 if tall => net.depthwise(x, 1, (3, stride, 1), |_, _| {}),
            5 if tall => net.depthwise(x, 2, (3, 1, 1), |_, _| {}),
            6 if tall => net.max_pool(x, 0),
            7 if tall => net.avg_pool(x, 1),
            8 => net.lut(x),
            9 if net.channels(x) < 9 => net.concat(&[x, other]),
            10 => {
                let c = net.constant(&[1, 1, 1, 1]);
                net.mul(x, c)
            }
            11 => net.conv(x, channels, (1, 1, 0), |_, _| {}),
            _ => net.add(x, Operand::Arena(other)),
        });
    }
    let x = images[images.len() - 1];
    let dims = net.dims(x);
    let flat = net.reshape(x, &[1, dims[1] * dims[2] * dims[3]]);
    let y = net.dense(flat, 6, |_, _| {});
    net.output(y)
}

/// What a model returns for each input.
fn outputs(program: &Program, plan: &Plan, kernels: &'static Kernels, inputs: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let bytes = encode(program, plan, &Metadata::default()).unwrap_or_else(|e| panic!("{e}"));
    let model = Model::new_checked(&bytes).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(model.arena_bytes(), plan.arena);
    let mut arena = vec![0x55; model.arena_bytes()];
    let mut session = Session::with_kernels(&model, &mut arena, kernels).expect("room");
    let mut one = |input: &Vec<u8>| {
        infer(&mut session, input, &mut ()).unwrap_or_else(|e| panic!("{e}"));
        session.outputs().flat_map(|o| o.bytes().to_vec()).collect()
    };
    inputs.iter().map(&mut one).collect()
}

#[test]
fn every_plan_gives_the_same_bits() {
    let (mut lockstep, mut smaller, mut fed) = (0, 0, 0);
    for seed in 0..24 {
        let program = network(seed);
        let inputs = inputs(seed, program.tensors[0].bytes(), 3);
        let with = |ram, rows| plan(&program, &Request { ram, rows, ..Request::default() });
        let whole = with(Some(usize::MAX), false).unwrap_or_else(|e| panic!("{e}"));
        assert!(whole.groups.is_empty(), "nothing forces steps to run in lockstep");
        let expected = outputs(&program, &whole, Kernels::naive(), &inputs);
        let least = with(None, false).unwrap_or_else(|e| panic!("{e}"));
        let mut plans = vec![least.clone()];
        for part in 0..4 {
            let ram = least.arena + (whole.arena - least.arena) * part / 4;
            let between = with(Some(ram), false).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
            assert!(between.arena <= ram);
            plans.push(between);
        }
        let rows = with(None, true);
        fed += usize::from(rows.is_ok());
        plans.extend(rows);
        for plan in &plans {
            assert!(plan.lower_bound <= plan.arena, "seed {seed}");
            for kernels in Kernels::available() {
                let got = outputs(&program, plan, kernels, &inputs);
                assert_eq!(got, expected, "seed {seed} on {}: {plan:?}", kernels.name());
            }
        }
        let error = with(Some(least.lower_bound - 1), false).expect_err("too small");
        assert!(error.to_string().contains("needs"), "{error}");
        lockstep += usize::from(!least.groups.is_empty());
        smaller += usize::from(least.arena < whole.arena);
    }
    assert!(lockstep > 4 && smaller > 16 && fed > 8, "{lockstep} {smaller} {fed}");
}

/// A fast region of some eighths of the smallest arena, and a slow one that could hold it all.
fn regions(arena: usize, part: usize) -> Vec<Region> {
    let region = |name: &str, bytes, cost| Region { name: name.into(), bytes, cost };
    vec![region("fast", arena * part / 8, None), region("slow", arena + arena / 4, Some(5))]
}

#[test]
fn regions_give_the_same_bits_and_hold_what_they_are_given() {
    let mut both = 0;
    for seed in 0..12 {
        let program = network(seed);
        let inputs = inputs(seed, program.tensors[0].bytes(), 2);
        let least = plan(&program, &Request::default()).unwrap_or_else(|e| panic!("{e}"));
        let expected = outputs(&program, &least, Kernels::naive(), &inputs);
        let mut costs = Vec::new();
        for (part, rows) in [(0, false), (2, false), (5, false), (8, false), (5, true)] {
            let regions = regions(least.arena, part);
            let request = Request { rows, regions: regions.clone(), ..Request::default() };
            let plan = match plan(&program, &request) {
                Ok(plan) => plan,
                // Not every network can be fed by rows.
                Err(_) if rows => continue,
                Err(error) => panic!("seed {seed}: {error}"),
            };
            let mut start = 0;
            for (used, region) in plan.regions.iter().zip(&regions) {
                assert!(used.end - start <= region.bytes, "seed {seed}: {used:?} {region:?}");
                start = used.end;
            }
            let cost: u64 = plan.regions.iter().map(|r| r.moved * u64::from(r.cost)).sum();
            assert!(plan.cost_bound <= cost && start == plan.arena);
            assert!(plan.regions.iter().map(|r| r.moved).sum::<u64>() > 0);
            both += usize::from(plan.regions.iter().all(|r| r.moved > 0));
            if !rows {
                costs.push(cost);
            }
            assert_eq!(outputs(&program, &plan, Kernels::best(), &inputs), expected, "seed {seed}: {plan:?}");
        }
        assert!(costs.is_sorted_by(|a, b| a >= b), "more fast RAM costs no more: {costs:?}");
    }
    assert!(both > 24, "{both}");
}

#[test]
fn what_no_region_can_hold_is_refused_with_the_size_that_would_do() {
    let program = network(3);
    let least = plan(&program, &Request::default()).unwrap_or_else(|e| panic!("{e}"));
    let planned = |regions| plan(&program, &Request { regions, ..Request::default() });
    let mut regions = regions(least.arena, 4);
    regions[1].bytes = least.arena / 4;
    let error = planned(regions.clone()).expect_err("too small").to_string();
    let enough = error.split("give \"slow\" ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
    regions[1].bytes = enough.unwrap_or_else(|| panic!("{error}"));
    let plan = planned(regions.clone()).unwrap_or_else(|e| panic!("{e}"));
    assert!(plan.regions[1].end - plan.regions[0].end <= regions[1].bytes);
    regions[1].name = "fast".into();
    assert!(planned(regions).expect_err("two of a name").to_string().contains("fast"));
    for wrong in
        ["", "fast", "fast=", "=1", "Fast=1", "fast=-1", "fast=1:", "fast=1:x", "f-t=1", "fast=3000000000"]
    {
        let error = wrong.parse::<Region>().expect_err(wrong).to_string();
        assert!(error.contains("NAME=BYTES"), "{error}");
    }
    let region = Region { name: "ram_2".into(), bytes: 64, cost: Some(3) };
    assert_eq!("ram_2=64:3".parse::<Region>().ok(), Some(region));
}

/// The names, attributes and texts of a page's tags; panics when one is not closed.
fn tags(page: &str) -> Vec<(String, Vec<(String, String)>)> {
    let (mut open, mut all) = (Vec::new(), Vec::new());
    for tag in page.split('<').skip(1).map(|t| t.split('>').next().expect("some text")) {
        let (name, rest) = tag.split_once([' ', '/']).unwrap_or((tag, ""));
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "tags are nested"),
            None if !tag.starts_with('!') && !tag.ends_with('/') => open.push(name),
            None => {}
        }
        let mut parts = rest.split('"');
        let mut attributes = Vec::new();
        while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
            attributes.push((name.trim().trim_end_matches('=').to_owned(), value.to_owned()));
        }
        all.push((name.to_owned(), attributes));
    }
    assert!(open.is_empty(), "{open:?}");
    all
}

#[test]
fn the_page_shows_every_byte() {
    for (seed, rows) in [(1, false), (2, false), (4, true)] {
        let program = network(seed);
        let plan = plan(&program, &Request { rows, ..Request::default() }).unwrap_or_else(|e| panic!("{e}"));
        let bytes = encode(&program, &plan, &Metadata::default()).unwrap_or_else(|e| panic!("{e}"));
        let model = Model::new_checked(&bytes).unwrap_or_else(|e| panic!("{e}"));
        let timeline = Timeline::new(&model);
        assert!((plan.lower_bound..=plan.arena).contains(&timeline.most_used()), "seed {seed}");
        let page = timeline.html("a <network> & more");
        assert!(page.contains("<title>a &lt;network&gt; &amp; more: memory</title>"));
        let tags = tags(&page);
        let rectangles: Vec<_> = tags.iter().filter(|t| t.0 == "rect").collect();
        let scratches = plan.scratch.iter().filter(|s| s.1 > 0).count();
        assert_eq!(rectangles.len(), program.tensors.len() + scratches);
        // Heights are in proportion to bytes.
        let number = |t: &(String, Vec<(String, String)>), name: &str| {
            let (_, value) = t.1.iter().find(|a| a.0 == name).expect("the attribute");
            value.parse::<f64>().expect("a number")
        };
        for (rectangle, span) in rectangles.iter().zip(&timeline.spans) {
            let bytes = number(rectangle, "height") / 560.0 * plan.arena as f64;
            assert!((bytes - span.bytes.len() as f64).abs() < plan.arena as f64 / 500.0, "{span:?}");
            let bottom = 590.0 - number(rectangle, "y") - number(rectangle, "height");
            assert!(
                (bottom / 560.0 * plan.arena as f64 - span.bytes.start as f64).abs()
                    < plan.arena as f64 / 500.0
            );
            assert!(page.contains(&format!("bytes {} to {}", span.bytes.start, span.bytes.end)));
        }
    }
}
