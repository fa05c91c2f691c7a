// Cross-entropy of the softmax of logits, row by row: log Σ eˡ − l[target], and its gradient with respect to the
// logits, (softmax − [target])·share.
//
// Bindings: logits, targets, losses, gradient, and sizes: the number of rows and of classes, and the share as bits
// of f32. {{LANES}} lanes share a row; a workgroup has {{ROWS}} of them. A target that is no class gives a loss that is not finite.
@group(0) @binding(0) var<storage, read_write> logits: array<f32>;
@group(0) @binding(1) var<storage, read_write> targets: array<i32>;
@group(0) @binding(2) var<storage, read_write> losses: array<f32>;
@group(0) @binding(3) var<storage, read_write> gradient: array<f32>;
@group(0) @binding(4) var<storage, read> sizes: array<u32>;

fn each_row(row: u32, lane: u32, place: u32) {
    let rows = sizes[0];
    let classes = sizes[1];
    let share = bitcast<f32>(sizes[2]);
    // Lanes beyond the end take part in the sums of the last row.
    let there = min(row, rows - 1u);
    let start = there * classes;
    var largest = logits[start];
    for (var i = lane; i < classes; i += {{LANES}}u) {
        largest = max(largest, logits[start + i]);
    }
    largest = over_lanes(largest, place, lane, true);
    var sum = 0.0;
    for (var i = lane; i < classes; i += {{LANES}}u) {
        sum += exp(logits[start + i] - largest);
    }
    sum = over_lanes(sum, place, lane, false);
    if row >= rows {
        return;
    }
    let target_class = u32(targets[row]);
    let factor = share / sum;
    for (var i = lane; i < classes; i += {{LANES}}u) {
        let weight = exp(logits[start + i] - largest) * factor;
        gradient[start + i] = weight - select(0.0, share, i == target_class);
    }
    if lane == 0u {
        let loss = log(sum) - (logits[start + min(target_class, classes - 1u)] - largest);
        // Not a constant: compilers refuse a division by zero.
        losses[row] = select(loss / (sum - sum), loss, target_class < classes);
    }
}
