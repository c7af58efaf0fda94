//! Training of networks: from an ONNX file, samples and a recipe to an ONNX file with other weights.
//!
//! ```text
//! student.onnx ─ import ─▶ graph ─ net.rs ─▶ parameters and a forward pass over autodiff ─┐
//! samples ─ dataset.rs ─▶ batches ─ augment.rs ─▶ what the network is shown               ├─ trainer.rs ─▶ export ─▶ .onnx
//! teachers ─ net.rs ─▶ soft targets ─ loss.rs ─▶ how far it is from right                 ┘
//! ```
//!
//! Derivatives, optimizers and their arithmetic are burn's; what an operator computes is written in `forward.rs` over its
//! tensors. Nothing here quantizes: the result goes through `mote convert` like any other network.

mod attack;
mod augment;
mod checkpoint;
mod dataset;
mod depth;
mod fit;
mod forward;
mod head;
mod loss;
mod net;
mod optimizer;
mod qat;
mod student;
mod trainer;

pub use attack::{Attack, Attacker};
pub use augment::Augment;
pub use dataset::{Pool, Pretext, Split, split};
pub use depth::shallower;
pub use fit::{Budget, Costs, fit};
pub use head::with_head;
pub use loss::{Loss, Objective, Teaching};
pub use optimizer::{Method, Schedule};
pub use qat::Scales;
pub use student::narrowed;
pub use trainer::{Epoch, Recipe, Subject, Task, Trained, train};
