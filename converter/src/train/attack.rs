//! Samples that are moved a little so that a network errs: what it is made robust against, and judged by.

use super::forward::{RANK, Real, lifted, real};
use super::loss::Loss;
use super::net::{Net, numbers};
use super::trainer::{Subject, scores};
use crate::error::{Error, Result};
use crate::ir::ValueId;
use burn::tensor::{Device, Tensor, TensorData};
use ndarray::ArrayD;
use serde::{Deserialize, Serialize};

/// How far samples are moved, in units of the prepared input.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Attack {
    /// The largest change of a value.
    pub reach: f32,
    /// Gradient steps. One, of the whole reach: FGSM (Goodfellow et al., Explaining and Harnessing Adversarial Examples, 2015);
    /// more, of a quarter of it: PGD (Madry et al., 2018).
    pub steps: usize,
}

impl std::str::FromStr for Attack {
    type Err = Error;

    /// `fgsm:REACH` or `pgd:REACH:STEPS`.
    fn from_str(text: &str) -> Result<Self> {
        let reach = |t: &str| t.parse::<f32>().ok().filter(|r| r.is_finite() && *r > 0.0);
        let parts: Vec<&str> = text.split(':').collect();
        let attack = match parts[..] {
            ["fgsm", r] => reach(r).map(|reach| Attack { reach, steps: 1 }),
            ["pgd", r, n] => reach(r)
                .zip(n.parse().ok().filter(|n| (1..=1000).contains(n)))
                .map(|(reach, steps)| Attack { reach, steps }),
            _ => None,
        };
        attack.ok_or_else(|| {
            Error::new("cannot read the attack")
                .at(format!("\"{text}\""))
                .cause("it is neither fgsm:REACH nor pgd:REACH:STEPS with numbers above 0")
                .remedy("for pixels that are scaled to 0..1, for example fgsm:0.03")
        })
    }
}

impl Attack {
    /// Moves inputs against the network that gives `scores`, towards a larger loss.
    pub(super) fn moved(
        &self,
        net: &Net,
        scores: ValueId,
        loss: &Loss,
        x: Vec<f32>,
        targets: &Tensor<2>,
    ) -> Result<Vec<f32>> {
        let batch = targets.dims()[0];
        let mut shape = net.graph().shape(net.graph().inputs[0]).to_vec();
        shape[0] *= batch;
        let shape = lifted(&shape).ok_or_else(|| Error::internal("an input of too many axes"))?;
        let device = targets.device().inner().autodiff();
        let start: Real = real(x, shape, &device);
        let step = if self.steps == 1 { self.reach } else { self.reach / 4.0 };
        let mut at = start.clone();
        for _ in 0..self.steps {
            let leaf = at.detach().require_grad();
            let pass = net.run_tensor(leaf.clone(), false, &[scores])?;
            let said = pass.rows(scores, batch).ok_or_else(|| Error::internal("a value was not kept"))?;
            let tape = loss.of(said, targets.clone()).backward();
            let slope = leaf.grad(&tape).ok_or_else(|| Error::internal("an input without a gradient"))?;
            let away = leaf.inner() + slope.sign().mul_scalar(step) - start.clone().inner();
            at = start.clone() + Tensor::<RANK>::from_inner(away.clamp(-self.reach, self.reach));
        }
        numbers(at.inner())
    }
}

/// A network that shows where samples hurt.
#[derive(Debug)]
pub struct Attacker {
    subject: Subject,
    net: Net,
    scores: ValueId,
    attack: Attack,
}

impl Attacker {
    /// Moves samples by the gradients of this network.
    pub fn new(subject: Subject, attack: Attack) -> Result<Self> {
        let net = Net::new(subject.graph.clone(), &Device::flex(), |_| true)?;
        let scores = scores(net.graph())?;
        Ok(Attacker { subject, net, scores, attack })
    }

    /// Moves a prepared sample of a class.
    pub fn moved(&self, x: &ArrayD<f32>, label: usize) -> Result<ArrayD<f32>> {
        let input = &self.subject.input;
        let wrong = || Error::internal("a sample of another shape");
        let classes = self.net.graph().shape(self.scores).iter().product::<usize>();
        let mut target = vec![0.0; classes];
        *target.get_mut(label).ok_or_else(wrong)? = 1.0;
        let device = Device::flex().autodiff();
        let target = Tensor::from_data(TensorData::new(target, [1, classes]), &device);
        let file = input.to_reference(x.view()).ok_or_else(wrong)?;
        let shape = file.shape().to_vec();
        let numbers = file.into_iter().collect();
        let moved = self.attack.moved(&self.net, self.scores, &Loss::default(), numbers, &target)?;
        let moved = ArrayD::from_shape_vec(shape, moved).map_err(|e| Error::internal(e.to_string()))?;
        let back = input.from_reference(moved.view()).ok_or_else(wrong)?;
        back.into_shape_with_order(x.shape()).map_err(|e| Error::internal(e.to_string()))
    }
}
