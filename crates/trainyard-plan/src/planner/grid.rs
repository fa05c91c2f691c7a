//! Grids of layers: the places where a coarse search may cut.

use super::space::Space;

/// Grid that cuts the layers into about `count` groups of equal weight.
pub(super) fn grid(space: &Space, count: usize) -> Vec<usize> {
    let (devices, layers) = (space.device_count(), space.layer_count());
    if count >= layers {
        return (0..=layers).collect();
    }
    // Time and bytes count alike; each layer weighs a little, so that no group grows without end.
    let mut weights = vec![1.0 / layers as f64; layers];
    for device in 0..devices {
        let of_device: [&dyn Fn(usize) -> f64; 2] =
            [&|layer| space.layer_time(device, layer), &|layer| {
                space.layer_bytes(device, layer) as f64
            }];
        for of_layer in of_device {
            let whole: f64 = (0..layers).map(of_layer).sum();
            if whole > 0.0 {
                for (layer, weight) in weights.iter_mut().enumerate() {
                    *weight += of_layer(layer) / whole / (2 * devices) as f64;
                }
            }
        }
    }
    let whole: f64 = weights.iter().sum();
    let mut grid = vec![0];
    let mut so_far = 0.0;
    for (layer, weight) in weights.iter().enumerate() {
        // A cut goes to the nearer end of the layer it falls in.
        let next = grid.len() as f64 / count as f64 * whole;
        if so_far + weight / 2.0 >= next && grid.last() != Some(&layer) {
            grid.push(layer);
        }
        so_far += weight;
    }
    grid.push(layers);
    grid
}
