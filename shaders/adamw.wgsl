// AdamW (Loshchilov and Hutter, arXiv 1711.05101, algorithm 2) on one weight, in place.
//
// Bindings: weight, gradient, first and second moment, and the step's factors: the number of elements,
// or of fours of them (WIDE), then β₁, β₂, ε, what is left of the weight after decay, the learning rate ÷
// the first moment's correction, 1 ÷ the second's, and what the gradient is multiplied by, as bits of f32.
alias Element = {{ELEMENT}};
@group(0) @binding(0) var<storage, read_write> weight: array<Element>;
@group(0) @binding(1) var<storage, read_write> gradient: array<Element>;
@group(0) @binding(2) var<storage, read_write> first: array<Element>;
@group(0) @binding(3) var<storage, read_write> second: array<Element>;
@group(0) @binding(4) var<storage, read> factors: array<u32>;

fn each(at: u32) {
    if at >= factors[0] {
        return;
    }
    let beta1 = bitcast<f32>(factors[1]);
    let beta2 = bitcast<f32>(factors[2]);
    let epsilon = bitcast<f32>(factors[3]);
    let keep = bitcast<f32>(factors[4]);
    let rate = bitcast<f32>(factors[5]);
    let correction = bitcast<f32>(factors[6]);
    let scale = bitcast<f32>(factors[7]);
    let g = gradient[at] * scale;
    let m = first[at] * beta1 + g * (1.0 - beta1);
    let v = second[at] * beta2 + g * g * (1.0 - beta2);
    first[at] = m;
    second[at] = v;
    weight[at] = weight[at] * keep - m * rate / (sqrt(v * correction) + Element(epsilon));
}
