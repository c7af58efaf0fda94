//! The state of a training as a file: parameters, moments, the best parameters so far and the history. An `.npz`, so that
//! anything can look into it; written whole or not at all, so that there is always one to go on from.

use super::net::{Net, numbers};
use super::optimizer::{Moments, Optimizer};
use super::trainer::{Epoch, Recipe};
use crate::error::{Error, Result};
use crate::model_file;
use burn::tensor::{Device, Tensor, TensorData};
use ndarray::{Array1, Ix1, OwnedRepr};
use ndarray_npy::{NpzReader, NpzWriter};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Cursor;
use std::path::Path;

/// What is known besides numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Progress {
    pub(super) recipe: Recipe,
    /// What has been done, epoch by epoch.
    pub(super) history: Vec<Epoch>,
    /// The moments' count of steps, one a parameter; 0 where there are none.
    times: Vec<usize>,
}

/// The parameters that did best.
pub(super) type Best = Vec<Vec<f32>>;

/// Writes the state of a training.
pub(super) fn save(
    path: &Path,
    recipe: &Recipe,
    history: &[Epoch],
    net: &Net,
    optimizer: &Optimizer,
    best: &Best,
) -> Result<()> {
    let mut npz = NpzWriter::new(Cursor::new(Vec::new()));
    let failed = |e: &dyn std::fmt::Display| Error::internal(format!("a checkpoint: {e}"));
    let mut add =
        |name: String, numbers: Vec<f32>| npz.add_array(name, &Array1::from(numbers)).map_err(|e| failed(&e));
    let mut times = Vec::new();
    for (index, (parameter, state)) in net.parameters.iter().zip(&optimizer.states).enumerate() {
        add(format!("parameter/{index}"), numbers(parameter.data.clone())?)?;
        add(format!("best/{index}"), best[index].clone())?;
        let moments = state.as_ref().map(Moments::of).transpose()?;
        times.push(moments.as_ref().map_or(0, |m| m.time));
        if let Some(moments) = moments {
            add(format!("first/{index}"), moments.first)?;
            add(format!("second/{index}"), moments.second)?;
        }
    }
    let progress = Progress { recipe: recipe.clone(), history: history.to_vec(), times };
    let text = serde_json::to_vec(&progress).map_err(|e| failed(&e))?;
    npz.add_array("progress", &Array1::from(text)).map_err(|e| failed(&e))?;
    let bytes = npz.finish().map_err(|e| failed(&e))?.into_inner();
    model_file::write(path, &bytes)
}

/// Puts the state of a training back; gives its history and the best parameters.
pub(super) fn load(
    path: &Path,
    recipe: &Recipe,
    net: &mut Net,
    optimizer: &mut Optimizer,
    device: &Device,
) -> Result<(Vec<Epoch>, Best)> {
    let refuse = |cause: String| {
        Error::new("cannot go on from the checkpoint")
            .at(path.display().to_string())
            .cause(cause)
            .remedy("give the same network and options as before, or remove the file to begin anew")
    };
    let file = File::open(path).map_err(|e| refuse(e.to_string()))?;
    let mut npz = NpzReader::new(file).map_err(|e| refuse(e.to_string()))?;
    let text: Array1<u8> =
        npz.by_name::<OwnedRepr<u8>, Ix1>("progress").map_err(|e| refuse(e.to_string()))?;
    let progress: Progress = serde_json::from_slice(&text.to_vec()).map_err(|e| refuse(e.to_string()))?;
    if progress.recipe != *recipe {
        return Err(refuse("it was begun with other options".into()));
    }
    if progress.times.len() != net.parameters.len() {
        return Err(refuse("it is of another network".into()));
    }
    let mut best = Best::new();
    for (index, &time) in progress.times.iter().enumerate() {
        let length = net.parameters[index].data.dims()[0];
        let mut read = |what: &str| -> Result<Vec<f32>> {
            let name = format!("{what}/{index}");
            let array = npz.by_name::<OwnedRepr<f32>, Ix1>(&name).map_err(|e| refuse(e.to_string()))?;
            if array.len() != length {
                return Err(refuse(format!("{name} holds {} numbers, the network {length}", array.len())));
            }
            Ok(array.to_vec())
        };
        let parameter = read("parameter")?;
        best.push(read("best")?);
        if time > 0 {
            let moments = Moments { time, first: read("first")?, second: read("second")? };
            optimizer.states[index] = Some(moments.state(device)?);
        }
        net.parameters[index].data = Tensor::from_data(TensorData::new(parameter, [length]), device);
    }
    Ok((progress.history, best))
}
